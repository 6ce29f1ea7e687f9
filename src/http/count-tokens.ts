import { estimateTokens } from '../core/cost/estimate.ts';
import type { ChatRequest } from '../core/model/index.ts';
import type { ModelRoute } from '../pipeline/runtime.ts';
import { modelNotFound } from '../pipeline/stages/authorize.ts';
import { readJsonBody } from './body.ts';
import type { Call, DataPlanePorts } from './call.ts';
import { readClientFacts } from './client-facts.ts';
import { readOperation } from './operations.ts';

/** Tokens one image counts for, from Anthropic's documentation of vision (width × height ÷ 750, largest useful size). */
const IMAGE_TOKENS = 1600;

/** Whether the vendor that would answer counts by itself, in this dialect. */
function countsItself(route: ModelRoute, call: Call): boolean {
  const [first] = route.deployments;
  const endpoint = first?.provider.vendor.endpoints.count_tokens;
  if (first === undefined || endpoint?.format !== call.codec.id) return false;
  return endpoint.models === undefined || new RegExp(endpoint.models, 'i').test(first.model);
}

/**
 * `POST /v1/messages/count_tokens`: asked of the vendor where it counts in this dialect, else our own estimate, for any model;
 * the header `x-sluice-estimated` says so.
 */
export async function countTokens(ports: DataPlanePorts, call: Call): Promise<void> {
  const runtime = ports.runtime();
  ports.admit(readClientFacts(call.request, call.query), runtime);
  const { raw, body } = await readJsonBody(call.request, ports.bodyLimits());
  const envelope = call.codec.envelope({ max_tokens: 1, ...body });
  const route = runtime.resolve(envelope.model);
  if (route === undefined) throw modelNotFound(runtime, envelope.model);
  if (countsItself(route, call)) {
    await readOperation({ operation: 'count_tokens', shape: call.codec.id }, { raw, body })(ports, call);
    return;
  }
  const request = call.codec.decodeRequest({ max_tokens: 1, ...body });
  const answer = JSON.stringify({
    input_tokens: estimateTokens(promptText(request)) + envelope.media * IMAGE_TOKENS,
  });
  call.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(answer)),
    'x-sluice-request-id': call.requestId,
    'x-sluice-estimated': 'true',
  });
  call.response.end(answer);
}

/** A request's prompt and tools as text, without the bytes of its media. */
export function promptText(request: ChatRequest): string {
  let text = '';
  for (const message of request.messages) {
    for (const part of message.parts) text += 'text' in part ? part.text : mediaFree(part);
  }
  for (const tool of request.tools) text += JSON.stringify(tool);
  return text;
}

/** A part as text without the bytes of its media. */
function mediaFree(part: object): string {
  return JSON.stringify(part, (key, value: unknown) => (key === 'data' ? undefined : value));
}
