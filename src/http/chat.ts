import type { SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { checkFieldTypes } from '../formats/field-types.ts';
import type { Facts, Received } from '../pipeline/exchange.ts';
import { readJsonBody } from './body.ts';
import type { Action, Call, DataPlanePorts } from './call.ts';
import { readClientFacts } from './client-facts.ts';
import type { ClientResponse } from './client-response.ts';
import { sendAnswer, sendError, toFailure } from './respond.ts';
import { adoptModels, routingHeaders } from './routing-facts.ts';

/** Facts of an exchange about which nothing is known yet. */
export function newFacts(): Facts {
  return {
    attempts: [],
    deployment: undefined,
    upstreamFormat: undefined,
    upstreamRequestId: undefined,
    plan: undefined,
    cache: 'bypass',
    dropped: [],
    receipt: undefined,
    usage: undefined,
    finish: undefined,
    deliveredBytes: 0,
    usageAt: 0,
    lastPiece: undefined,
    firstByteAt: undefined,
    status: undefined,
    cost: undefined,
    price: undefined,
    error: undefined,
  };
}

/** Aborts when the client's connection closes before the answer is complete. */
export function hangUp(response: ClientResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

async function receive(ports: DataPlanePorts, call: Call, fields: JsonObject): Promise<Received> {
  const startedAt = ports.clock.now();
  const startedMono = ports.clock.monotonic();
  const runtime = ports.runtime();
  const client = readClientFacts(call.request, call.query);
  // Without any key the answer is known before the body is read.
  if (client.credential === undefined) ports.admit(client, runtime);
  const { raw, body } = await readJsonBody(call.request, ports.bodyLimits());
  Object.assign(body, fields);
  adoptModels(call.codec.id, body);
  checkFieldTypes(call.codec.id, body);
  return {
    id: call.requestId,
    startedAt,
    startedMono,
    codec: call.codec,
    operation: 'chat',
    runtime,
    client,
    raw,
    body,
    envelope: call.codec.envelope(body),
    signal: hangUp(call.response),
    facts: newFacts(),
    ...(runtime.routing === undefined || runtime.routing.routers.length === 0
      ? {}
      : { routingHeaders: routingHeaders(call.request, runtime.routing) }),
    end: undefined,
  };
}

/** A chat exchange in the dialect of `call.codec`. `fields` are facts that this dialect keeps in the path. */
export async function chatWith(ports: DataPlanePorts, call: Call, fields: JsonObject): Promise<void> {
  const exchange = await receive(ports, call, fields);
  try {
    await sendAnswer(await ports.chat(exchange), call.response, ports);
  } catch (error) {
    const failure = toFailure(error);
    if (failure.code === 'internal') logInternal(ports, call, failure);
    sendError(call.response, failure, { codec: call.codec, requestId: call.requestId, exchange });
    // The pipeline ended the exchange when a stage threw; this covers a fault while the answer was being written.
    await exchange.end?.({ kind: 'failed', error: failure });
  }
}

/** A chat exchange whose body says everything. */
export const chat: Action = (ports, call) => chatWith(ports, call, {});

/** Writes down what went wrong inside; the client only learns the request id. */
export function logInternal(ports: DataPlanePorts, call: Call, failure: SluiceError): void {
  const { cause } = failure;
  ports.log.error('request.internal_error', {
    exchange: call.requestId,
    cause: cause instanceof Error ? `${cause.name}: ${cause.stack ?? cause.message}` : String(cause),
  });
}
