import type { ChatRequest, Json, JsonObject, Usage } from '../../core/model/index.ts';
import { UNKNOWN_USAGE } from '../../core/model/index.ts';
import type { Reply } from '../codec.ts';
import { compact } from '../fields.ts';
import type { Ending } from './finish.ts';
import { encodeFormat } from './output-shape.ts';
import { encodeToolChoice, encodeTools } from './tools.ts';
import { encodeUsage } from './usage.ts';
import { FORMAT, ownFields } from './wire.ts';

/** What a `Response` object says besides what it echoes. */
export interface ResponseState {
  readonly ending: Ending;
  readonly output: readonly JsonObject[];
  readonly usage?: Usage;
  readonly serviceTier?: string;
  /** Fields of the upstream's own object, where the upstream speaks this format. */
  readonly upstream?: JsonObject;
  readonly error?: { readonly code: string; readonly message: string };
}

/** Values of a request that names nothing, as the vendor echoes them (S: recordings, official SDK `Response`). */
const DEFAULTS: JsonObject = {
  access_programs: null,
  background: false,
  conversation: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  store: false,
  temperature: 1,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: 1,
  truncation: 'disabled',
  user: null,
};

/** Fields of a request that the vendor also repeats in the answer, kept as the client sent them. */
const ECHOED = [
  'background',
  'max_tool_calls',
  'prompt',
  'prompt_cache_retention',
  'safety_identifier',
  'truncation',
] as const;

function echoText(request: ChatRequest): JsonObject {
  return compact({ format: encodeFormat(request.output), verbosity: request.verbosity });
}

function instructionsOf(request: ChatRequest): string | null {
  const first = request.messages[0];
  if (first?.wireRole !== 'instructions') return null;
  return first.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n\n');
}

/** The parts of the client's request that an answer repeats; absent where the client said nothing. */
function echo(request: ChatRequest): JsonObject {
  const { sampling, reasoning } = request;
  const own = ownFields(request) ?? {};
  const tools = request.tools.filter((tool) => tool.type !== 'server' || tool.format === FORMAT);
  const echoed: JsonObject = {};
  for (const key of ECHOED) if (own[key] !== undefined && own[key] !== null) echoed[key] = own[key];
  const { conversation } = own;
  if (conversation !== undefined && conversation !== null) {
    echoed['conversation'] = typeof conversation === 'string' ? { id: conversation } : conversation;
  }
  return compact({
    ...echoed,
    max_output_tokens: request.maxOutputTokens,
    metadata: request.metadata,
    parallel_tool_calls: request.parallelToolCalls,
    previous_response_id: request.previousResponseId,
    prompt_cache_key: request.promptCacheKey,
    reasoning:
      reasoning === undefined
        ? undefined
        : { effort: reasoning.effort ?? null, summary: reasoning.summary ?? null },
    store: request.store,
    temperature: sampling.temperature,
    text: request.output.type === 'text' && request.verbosity === undefined ? undefined : echoText(request),
    tool_choice: encodeToolChoice(request),
    tools: tools.length === 0 ? undefined : encodeTools({ ...request, tools }),
    top_logprobs: sampling.topLogprobs,
    top_p: sampling.topP,
    ...(own['safety_identifier'] === null ? { safety_identifier: request.user } : { user: request.user }),
  });
}

/** Echo part of every `Response` object of one answer: defaults, then the upstream's values, then the client's own. */
export function echoOf(reply: Reply, upstream: JsonObject = {}): JsonObject {
  const { request } = reply;
  if (request === undefined) return { ...DEFAULTS, ...upstream };
  // The upstream may repeat tools or metadata that the gateway added; the client gets back what it sent.
  const { tools: _tools, metadata: _metadata, user: _user, ...rest } = upstream;
  return { ...DEFAULTS, ...rest, ...echo(request) };
}

/** A `Response` object. `output_text` is left out: official SDKs derive it. */
export function responseObject(reply: Reply, state: ResponseState, echoed?: JsonObject): JsonObject {
  const { ending } = state;
  const instructions: Json = reply.request === undefined ? null : instructionsOf(reply.request);
  return {
    id: reply.id,
    object: 'response',
    created_at: reply.created,
    status: ending.status,
    error: errorOf(state),
    incomplete_details: ending.incompleteReason === undefined ? null : { reason: ending.incompleteReason },
    instructions,
    model: reply.model,
    output: [...state.output],
    ...(echoed ?? echoOf(reply, state.upstream)),
    service_tier: state.serviceTier ?? 'default',
    usage: encodeUsage(state.usage ?? UNKNOWN_USAGE),
  };
}

function errorOf({ ending, error }: ResponseState): JsonObject | null {
  if (error !== undefined) return { code: error.code, message: error.message };
  if (ending.status !== 'failed') return null;
  return { code: 'server_error', message: 'The model could not finish its answer. Send the request again.' };
}
