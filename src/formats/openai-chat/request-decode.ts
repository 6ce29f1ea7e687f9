import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  EFFORTS,
  type Effort,
  isObject,
  type Json,
  type JsonObject,
  type ReasoningRequest,
  type Sampling,
} from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
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
import { decodeMessages } from './messages-decode.ts';
import { extensionsOf } from './parts-decode.ts';
import { decodeShape, decodeToolChoice, decodeTools } from './tools.ts';

/** Fields with a canonical word. `top_k` and `safety_identifier` are read but also kept as the client wrote them. */
const KNOWN = new Set([
  'model',
  'messages',
  'tools',
  'functions',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'temperature',
  'top_p',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'logprobs',
  'top_logprobs',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'n',
  'response_format',
  'verbosity',
  'reasoning_effort',
  'reasoning',
  'thinking',
  'stream',
  'stream_options',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'store',
]);

const MEDIA_TYPES = new Set([
  'image_url',
  'input_audio',
  'file',
  'document_url',
  'file_url',
  'video_url',
  'audio_url',
]);

function messagesOf(body: JsonObject): readonly Json[] {
  const list = optionalArray(body, 'messages');
  if (list === undefined || list.length === 0) {
    throw badRequest('messages', '`messages` is required and must hold at least one message.');
  }
  return list;
}

function countMedia(messages: readonly Json[]): number {
  let media = 0;
  for (const message of messages) {
    const content = isObject(message) ? message['content'] : undefined;
    if (!Array.isArray(content)) continue;
    for (const part of content) {
      if (isObject(part) && typeof part['type'] === 'string' && MEDIA_TYPES.has(part['type'])) media++;
    }
  }
  return media;
}

/** OpenAI refuses both names at once; others keep to the one they know, so that the longer answer has to be lawful and paid for. */
function outputLimit(body: JsonObject): number | undefined {
  const limit = optionalNumber(body, 'max_completion_tokens', { min: 0, integer: true });
  const former = optionalNumber(body, 'max_tokens', { min: 0, integer: true });
  return limit === undefined || former === undefined ? (limit ?? former) : Math.max(limit, former);
}

function choicesOf(body: JsonObject): number | undefined {
  return optionalNumber(body, 'n', { min: 1, max: 128, integer: true });
}

/** See `ChatCodec.envelope`. */
export function readEnvelope(body: JsonObject): Envelope {
  const model = requiredString(body, 'model');
  if (model === '') throw badRequest('model', '`model` must name a model.');
  const messages = messagesOf(body);
  const maxOutputTokens = outputLimit(body);
  return {
    model,
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    choices: choicesOf(body) ?? 1,
    includeUsage: optionalObject(body, 'stream_options')?.['include_usage'] === true,
    tools: (optionalArray(body, 'tools')?.length ?? 0) + (optionalArray(body, 'functions')?.length ?? 0),
    media: countMedia(messages),
  };
}

function decodeStop(body: JsonObject): { stop?: readonly string[] } {
  const stop = body['stop'];
  if (stop === undefined || stop === null) return {};
  if (typeof stop === 'string') return { stop: [stop] };
  if (Array.isArray(stop) && stop.every((word) => typeof word === 'string')) return { stop };
  throw badRequest('stop', '`stop` must be a string or an array of strings.');
}

function decodeSampling(body: JsonObject): Sampling {
  const sampling: { -readonly [Key in keyof Sampling]: Sampling[Key] } = {
    temperature: optionalNumber(body, 'temperature', { min: 0 }),
    topP: optionalNumber(body, 'top_p', { min: 0 }),
    topK: optionalNumber(body, 'top_k'),
    seed: optionalNumber(body, 'seed', { integer: true }),
    frequencyPenalty: optionalNumber(body, 'frequency_penalty'),
    presencePenalty: optionalNumber(body, 'presence_penalty'),
    logitBias: optionalObject(body, 'logit_bias'),
    logprobs: optionalBoolean(body, 'logprobs'),
    topLogprobs: optionalNumber(body, 'top_logprobs', { min: 0, integer: true }),
  } as Sampling;
  for (const key of Object.keys(sampling) as (keyof Sampling)[]) {
    if (sampling[key] === undefined) delete sampling[key];
  }
  return sampling;
}

function effortOf(value: Json | undefined, path: string): Effort | undefined {
  if (value === undefined || value === null) return undefined;
  const found = EFFORTS.find((effort) => effort === value);
  if (found === undefined) throw badRequest(path, `\`${path}\` must be one of ${EFFORTS.join(', ')}.`);
  return found;
}

/** OpenRouter's `reasoning`: effort or a budget, and whether thoughts come back. */
function fromOpenRouter(reasoning: JsonObject): ReasoningRequest {
  const effort = effortOf(reasoning['effort'], 'reasoning.effort');
  const budget = optionalNumber(reasoning, 'max_tokens', { min: 0, integer: true, path: 'reasoning' });
  const enabled = optionalBoolean(reasoning, 'enabled', 'reasoning') ?? effort !== 'none';
  const summary = reasoning['exclude'] === true ? 'none' : reasoning['summary'];
  const isKnown = summary === 'none' || summary === 'auto' || summary === 'concise' || summary === 'detailed';
  return {
    enabled,
    ...(effort === undefined ? {} : { effort }),
    ...(budget === undefined ? {} : { budgetTokens: budget }),
    ...(isKnown ? { summary } : {}),
  };
}

/** `thinking`, as DeepSeek and Z.ai define it and LiteLLM's clients send it for Claude. */
function fromThinking(thinking: JsonObject): ReasoningRequest {
  const budget = toNumber(thinking['budget_tokens']);
  return {
    enabled: thinking['type'] !== 'disabled',
    ...(typeof budget === 'number' ? { budgetTokens: budget } : {}),
    ...(thinking['type'] === 'adaptive' || thinking['type'] === 'auto' ? { adaptive: true } : {}),
  };
}

function decodeReasoning(body: JsonObject): { reasoning?: ReasoningRequest } {
  const effort = EFFORTS.find((level) => level === optionalString(body, 'reasoning_effort'));
  const open = optionalObject(body, 'reasoning');
  const thinking = optionalObject(body, 'thinking');
  if (open !== undefined) {
    const asked = fromOpenRouter(open);
    return { reasoning: effort === undefined || asked.effort ? asked : { ...asked, effort } };
  }
  if (thinking !== undefined) {
    return { reasoning: { ...fromThinking(thinking), ...(effort === undefined ? {} : { effort }) } };
  }
  return effort === undefined ? {} : { reasoning: { enabled: effort !== 'none', effort } };
}

/** Top-level fields without a canonical word; `null` is how several SDKs write "not set". */
function leftOver(body: JsonObject): JsonObject | undefined {
  const rest: JsonObject = unknownFields(body, KNOWN) ?? {};
  const streamRest = unknownFields(optionalObject(body, 'stream_options') ?? {}, new Set(['include_usage']));
  if (streamRest !== undefined) rest['stream_options'] = streamRest;
  const reasoningRest = unknownFields(
    optionalObject(body, 'thinking') ?? {},
    new Set(['type', 'budget_tokens']),
  );
  if (reasoningRest !== undefined) rest['thinking'] = reasoningRest;
  // A word of one vendor (Groq's `default`): it goes back to the same format as it came.
  const effort = body['reasoning_effort'];
  if (typeof effort === 'string' && !EFFORTS.some((level) => level === effort))
    rest['reasoning_effort'] = effort;
  for (const key of Object.keys(rest)) if (rest[key] === null) delete rest[key];
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function decodeAccount(body: JsonObject): Partial<ChatRequest> {
  const user = optionalString(body, 'user') ?? optionalString(body, 'safety_identifier');
  const metadata = optionalObject(body, 'metadata');
  const serviceTier = optionalString(body, 'service_tier');
  const promptCacheKey = optionalString(body, 'prompt_cache_key');
  const store = optionalBoolean(body, 'store');
  return {
    ...(user === undefined ? {} : { user }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(promptCacheKey === undefined ? {} : { promptCacheKey }),
    ...(store === undefined ? {} : { store }),
  };
}

/** See `ChatCodec.decodeRequest`. */
export function decodeRequest(body: JsonObject): ChatRequest {
  const envelope = readEnvelope(body);
  const toolChoice =
    decodeToolChoice(body['tool_choice']) ?? decodeToolChoice(body['function_call'], 'function_call');
  const tools = optionalArray(body, 'tools') ?? [];
  const functions = optionalArray(body, 'functions') ?? [];
  const legacyFunctions = functions.length > 0 && tools.length === 0;
  const parallelToolCalls = legacyFunctions ? false : optionalBoolean(body, 'parallel_tool_calls');
  const verbosity = optionalString(body, 'verbosity');
  const choices = choicesOf(body);
  const { maxOutputTokens } = envelope;
  return {
    model: envelope.model,
    messages: decodeMessages(messagesOf(body)),
    tools: decodeTools(tools, functions),
    ...(legacyFunctions ? { legacyFunctions } : {}),
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(parallelToolCalls === undefined ? {} : { parallelToolCalls }),
    sampling: decodeSampling(body),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...decodeStop(body),
    ...(choices === undefined ? {} : { choices }),
    output: decodeShape(optionalObject(body, 'response_format')),
    ...(verbosity === undefined ? {} : { verbosity }),
    ...decodeReasoning(body),
    stream: envelope.stream,
    includeUsage: envelope.includeUsage,
    ...decodeAccount(body),
    ...extensionsOf(leftOver(body)),
  };
}
