import { badRequest } from '../core/errors/error.ts';
import { readJsonBody } from './body.ts';
import type { Action } from './call.ts';
import { readClientFacts } from './client-facts.ts';

/** `POST /v1/feedback`: how good an answer to one's own key was. Our own shape, whatever SDK is used otherwise. */
export const feedback: Action = async (ports, call) => {
  const principal = ports.admit(readClientFacts(call.request, call.query), ports.runtime());
  const { body } = await readJsonBody(call.request, ports.bodyLimits());
  if (ports.feedback === undefined) throw badRequest('request_id', 'Feedback is not taken here.');
  const text = JSON.stringify(await ports.feedback(principal, body));
  call.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    'x-sluice-request-id': call.requestId,
  });
  call.response.end(text);
};
