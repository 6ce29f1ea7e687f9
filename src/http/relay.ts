import { nanoToUsd } from '../core/cost/money.ts';
import { SluiceError } from '../core/errors/error.ts';
import { chargeExchange } from '../pipeline/charge.ts';
import type { Exchange } from '../pipeline/exchange.ts';
import type { Done } from '../pipeline/operation.ts';
import type { Call, DataPlanePorts } from './call.ts';
import { logInternal } from './chat.ts';
import type { ClientResponse } from './client-response.ts';
import { baseHeaders, drained, type RespondPorts, sendError, toFailure } from './respond.ts';

async function writeChunks(
  exchange: Done<Exchange>,
  response: ClientResponse,
  ports: RespondPorts,
): Promise<void> {
  const { body } = exchange.answer;
  if (body instanceof Uint8Array) return;
  try {
    for await (const chunk of body) {
      if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
      exchange.facts.firstByteAt ??= ports.clock.monotonic();
      if (!response.write(chunk)) await drained(response, ports);
    }
    response.end();
    await exchange.end?.({ kind: 'answered' });
  } catch (error) {
    const failure = toFailure(error);
    // Without an end of its own the body would look complete: the connection breaks, as the upstream's did.
    response.destroy();
    const left = exchange.signal.aborted || failure.code === 'client_closed';
    await exchange.end?.(left ? { kind: 'abandoned' } : { kind: 'cut', error: failure });
  }
}

/** Delivers an operation's answer to its last byte and ends the exchange. */
async function sendRelayed(
  exchange: Done<Exchange>,
  response: ClientResponse,
  ports: RespondPorts,
): Promise<void> {
  const { status, body } = exchange.answer;
  const headers = { ...baseHeaders(exchange), ...exchange.answer.headers, ...exchange.slot.headers };
  exchange.facts.status = status;
  if (!(body instanceof Uint8Array)) {
    response.writeHead(status, headers);
    await writeChunks(exchange, response, ports);
    return;
  }
  const { cost } = chargeExchange(exchange);
  headers['content-length'] = String(body.length);
  if (cost !== undefined) headers['x-sluice-cost-usd'] = nanoToUsd(cost.total);
  exchange.facts.firstByteAt = ports.clock.monotonic();
  response.writeHead(status, headers);
  void exchange.end?.(exchange.signal.aborted ? { kind: 'abandoned' } : { kind: 'answered' });
  response.end(body);
}

/** Runs one exchange besides chat and answers it, whatever comes of it. */
export async function runExchange<E extends Exchange>(
  ports: DataPlanePorts,
  call: Call,
  given: { readonly exchange: E; readonly run: (exchange: E) => Done<E> | Promise<Done<E>> },
): Promise<void> {
  const { exchange, run } = given;
  try {
    await sendRelayed(await run(exchange), call.response, ports);
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code === 'internal') logInternal(ports, call, failure);
    sendError(call.response, failure, { codec: call.codec, requestId: call.requestId, exchange });
    await exchange.end?.({ kind: 'failed', error: failure });
  }
}
