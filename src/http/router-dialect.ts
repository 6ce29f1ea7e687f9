import type { RouterCall } from '../pipeline/router-call.ts';
import { readJsonBody } from './body.ts';
import type { Action } from './call.ts';
import { hangUp, newFacts } from './chat.ts';
import { readClientFacts } from './client-facts.ts';
import { baseHeaders, sendError, toFailure } from './respond.ts';

/** `POST /v1/router/classify` and `/v1/router/multimodel`, in Morph's shapes. No model is called, nothing is charged. */
function routerCall(operation: RouterCall['operation']): Action {
  return async (ports, call) => {
    const startedAt = ports.clock.now();
    const startedMono = ports.clock.monotonic();
    const runtime = ports.runtime();
    const client = readClientFacts(call.request, call.query);
    // Without any key the answer is known before the body is read.
    if (client.credential === undefined) ports.admit(client, runtime);
    const { raw, body } = await readJsonBody(call.request, ports.bodyLimits());
    const exchange: RouterCall = {
      id: call.requestId,
      startedAt,
      startedMono,
      codec: {
        id: 'router',
        encodeError: (error, requestId) => call.codec.encodeError(error, requestId),
      },
      operation,
      runtime,
      client,
      raw,
      body,
      envelope: {
        model: `router/${operation}`,
        stream: false,
        choices: 1,
        includeUsage: false,
        tools: 0,
        media: 0,
        promptTokens: 0,
      },
      signal: hangUp(call.response),
      facts: newFacts(),
      end: undefined,
    };
    try {
      const answered = await ports.router(exchange);
      const text = JSON.stringify(answered.result);
      exchange.facts.status = 200;
      call.response.writeHead(200, {
        ...baseHeaders(exchange),
        ...answered.slot.headers,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
        'x-sluice-cost-usd': '0',
      });
      await exchange.end?.({ kind: 'answered' });
      call.response.end(text);
    } catch (error) {
      const failure = toFailure(error);
      sendError(call.response, failure, { codec: call.codec, requestId: call.requestId, exchange });
      await exchange.end?.({ kind: 'failed', error: failure });
    }
  };
}

export const classifyPrompt: Action = routerCall('classify');
export const chooseModel: Action = routerCall('multimodel');
