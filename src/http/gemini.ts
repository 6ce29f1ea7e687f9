import { estimateTokens } from '../core/cost/estimate.ts';
import { geminiJsonArray } from '../formats/gemini/index.ts';
import { modelNotFound } from '../pipeline/stages/authorize.ts';
import { readJsonBody } from './body.ts';
import type { Action } from './call.ts';
import { chatWith } from './chat.ts';
import { readClientFacts } from './client-facts.ts';
import { promptText } from './count-tokens.ts';

const STREAM_VERB = ':streamGenerateContent';

function modelOf(params: Readonly<Record<string, string>>): string {
  return (params['model'] ?? '').replace(/^models\//, '');
}

/** `generateContent` and `streamGenerateContent`: model and stream flag come from the path (see `formats/gemini`). */
export const geminiChat: Action = async (ports, call) => {
  const path = (call.request.url ?? '').split('?', 1)[0] ?? '';
  const stream = path.endsWith(STREAM_VERB);
  const asArray = stream && call.query?.get('alt') !== 'sse';
  await chatWith(
    ports,
    { ...call, codec: asArray ? geminiJsonArray : call.codec },
    { model: modelOf(call.params), stream },
  );
};

/** `countTokens`: our own estimate for any model, as for Anthropic's endpoint. */
export const geminiCountTokens: Action = async (ports, call) => {
  const runtime = ports.runtime();
  ports.admit(readClientFacts(call.request, call.query), runtime);
  const { body } = await readJsonBody(call.request, ports.bodyLimits());
  const model = modelOf(call.params);
  if (runtime.resolve(model) === undefined) throw modelNotFound(runtime, model);
  const inner = body['generateContentRequest'];
  const asked = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : body;
  const request = call.codec.decodeRequest({ ...asked, model, stream: false });
  const answer = JSON.stringify({ totalTokens: estimateTokens(promptText(request)) });
  call.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(answer)),
    'x-sluice-request-id': call.requestId,
    'x-sluice-estimated': 'true',
  });
  call.response.end(answer);
};
