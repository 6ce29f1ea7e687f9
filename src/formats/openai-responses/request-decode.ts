import { badRequest, unsupported } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  EFFORTS,
  type Effort,
  isObject,
  type Json,
  type JsonObject,
  type OutputShape,
  type ReasoningRequest,
  type Sampling,
} from '../../core/model/index.ts';
import type { Envelope } from '../codec.ts';
import {
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { decodeInput } from './input-decode.ts';
import { decodeTool, decodeToolChoice } from './tools.ts';
import { FORMAT, INCLUDE_LOGPROBS } from './wire.ts';

/** Top-level fields with a canonical place; the others travel in the request's extensions. */
const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'text',
  'reasoning',
  'store',
  'previous_response_id',
  'metadata',
  'user',
  'prompt_cache_key',
  'service_tier',
  'temperature',
  'top_p',
  'top_logprobs',
  'stream',
]);

const TEXT_FIELDS: ReadonlySet<string> = new Set(['format', 'verbosity']);
const REASONING_FIELDS: ReadonlySet<string> = new Set(['effort', 'summary']);
const SUMMARIES: ReadonlySet<string> = new Set(['auto', 'concise', 'detailed', 'none']);
const MEDIA: ReadonlySet<Json | undefined> = new Set(['input_image', 'input_file', 'input_audio']);

function countMedia(value: Json | undefined): number {
  if (!Array.isArray(value)) return 0;
  let total = 0;
  for (const entry of value) {
    if (!isObject(entry)) continue;
    total += MEDIA.has(entry['type']) ? 1 : countMedia(entry['content']) + countMedia(entry['output']);
  }
  return total;
}

function maxOutputTokens(body: JsonObject): number | undefined {
  // The API itself wants 16 or more (WIRE §2.1); other models take less, so the encoder sees to that.
  return optionalNumber(body, 'max_output_tokens', { min: 1, integer: true });
}

/**
 * See `ChatCodec.envelope`. A Responses stream always ends with usage, so nobody has to ask for it. Throws
 * `unsupported_feature` for background answers: they and their usage are fetched later, by requests that are not served here.
 */
export function envelope(body: JsonObject): Envelope {
  if (body['background'] === true) {
    throw unsupported(
      'background',
      'Background answers cannot be fetched, nor billed, through this gateway. Leave `background` out; `stream: true` keeps a long answer alive.',
    );
  }
  const limit = maxOutputTokens(body);
  const { input } = body;
  if (input !== undefined && input !== null && typeof input !== 'string') optionalArray(body, 'input');
  return {
    model: requiredString(body, 'model'),
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(limit === undefined ? {} : { maxOutputTokens: limit }),
    choices: 1,
    includeUsage: false,
    tools: optionalArray(body, 'tools')?.length ?? 0,
    media: countMedia(input),
  };
}

function decodeFormat(format: JsonObject): OutputShape {
  const path = 'text.format';
  const type = requiredString(format, 'type', path);
  if (type === 'text' || type === 'json_object') return { type };
  if (type !== 'json_schema') {
    throw badRequest(`${path}.type`, '`text.format.type` must be `text`, `json_object` or `json_schema`.');
  }
  const schema = optionalObject(format, 'schema', path);
  if (schema === undefined) throw badRequest(`${path}.schema`, '`text.format.schema` is required.');
  const name = optionalString(format, 'name', path);
  const description = optionalString(format, 'description', path);
  const strict = optionalBoolean(format, 'strict', path);
  return {
    type,
    schema,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict }),
  };
}

function decodeReasoning(body: JsonObject): ReasoningRequest | undefined {
  const wish = optionalObject(body, 'reasoning');
  if (wish === undefined) return undefined;
  const effort = optionalString(wish, 'effort', 'reasoning');
  if (effort !== undefined && !(EFFORTS as readonly string[]).includes(effort)) {
    const levels = EFFORTS.map((level) => `\`${level}\``).join(', ');
    throw badRequest('reasoning.effort', `\`reasoning.effort\` must be one of ${levels}.`);
  }
  const summary = optionalString(wish, 'summary', 'reasoning');
  if (summary !== undefined && !SUMMARIES.has(summary)) {
    throw badRequest(
      'reasoning.summary',
      '`reasoning.summary` must be `auto`, `concise`, `detailed` or `none`.',
    );
  }
  return {
    enabled: effort !== 'none',
    ...(effort === undefined ? {} : { effort: effort as Effort }),
    ...(summary === undefined ? {} : { summary: summary as NonNullable<ReasoningRequest['summary']> }),
  };
}

function decodeSampling(body: JsonObject): Sampling {
  const temperature = optionalNumber(body, 'temperature', { min: 0, max: 2 });
  const topP = optionalNumber(body, 'top_p', { min: 0, max: 1 });
  const topLogprobs = optionalNumber(body, 'top_logprobs', { min: 0, max: 20, integer: true });
  const wantsLogprobs = optionalArray(body, 'include')?.includes(INCLUDE_LOGPROBS) === true;
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(wantsLogprobs ? { logprobs: true } : {}),
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
  };
}

/**
 * Fields to give back to this format. Always present, even empty: it tells the encoder that the request was written in
 * this dialect, where an absent `store` means `true`.
 */
function ownFieldsOf(body: JsonObject): JsonObject {
  const own: JsonObject = { ...unknownFields(body, KNOWN) };
  const { text, reasoning } = body;
  const restOfText = isObject(text) ? unknownFields(text, TEXT_FIELDS) : undefined;
  const restOfReasoning = isObject(reasoning) ? unknownFields(reasoning, REASONING_FIELDS) : undefined;
  if (restOfText !== undefined) own['text'] = restOfText;
  if (restOfReasoning !== undefined) own['reasoning'] = restOfReasoning;
  return own;
}

/** Strings and scalars that pass through under another name. */
function decodeRouting(body: JsonObject, own: JsonObject): Partial<ChatRequest> {
  let user = optionalString(body, 'user');
  const safety = optionalString(body, 'safety_identifier');
  if (user === undefined && safety !== undefined) {
    // One person under the newer name. `null` in the extension says which name to write it back under.
    user = safety;
    own['safety_identifier'] = null;
  }
  const metadata = optionalObject(body, 'metadata');
  const serviceTier = optionalString(body, 'service_tier');
  const promptCacheKey = optionalString(body, 'prompt_cache_key');
  const store = optionalBoolean(body, 'store');
  const previousResponseId = optionalString(body, 'previous_response_id');
  return {
    ...(user === undefined ? {} : { user }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(promptCacheKey === undefined ? {} : { promptCacheKey }),
    ...(store === undefined ? {} : { store }),
    ...(previousResponseId === undefined ? {} : { previousResponseId }),
  };
}

/** A client's `POST /v1/responses` body. Throws `bad_request` naming the field. */
export function decodeRequest(body: JsonObject): ChatRequest {
  const own = ownFieldsOf(body);
  const limit = maxOutputTokens(body);
  const text = optionalObject(body, 'text');
  const format = text === undefined ? undefined : optionalObject(text, 'format', 'text');
  const verbosity = text === undefined ? undefined : optionalString(text, 'verbosity', 'text');
  const reasoning = decodeReasoning(body);
  const chosen = decodeToolChoice(body['tool_choice']);
  if (chosen !== undefined && 'raw' in chosen) own['tool_choice'] = chosen.raw;
  const parallel = optionalBoolean(body, 'parallel_tool_calls');
  const tools = optionalArray(body, 'tools') ?? [];
  return {
    model: requiredString(body, 'model'),
    messages: decodeInput(body, optionalString(body, 'instructions')),
    tools: tools.map((tool, index) => decodeTool(tool, `tools[${index}]`)),
    ...(chosen !== undefined && 'choice' in chosen ? { toolChoice: chosen.choice } : {}),
    ...(parallel === undefined ? {} : { parallelToolCalls: parallel }),
    sampling: decodeSampling(body),
    ...(limit === undefined ? {} : { maxOutputTokens: limit }),
    output: format === undefined ? { type: 'text' } : decodeFormat(format),
    ...(verbosity === undefined ? {} : { verbosity }),
    ...(reasoning === undefined ? {} : { reasoning }),
    stream: optionalBoolean(body, 'stream') ?? false,
    includeUsage: false,
    ...decodeRouting(body, own),
    extensions: { [FORMAT]: own },
  };
}
