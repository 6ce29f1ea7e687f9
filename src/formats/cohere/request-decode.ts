import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  isObject,
  type JsonObject,
  type OutputShape,
  type ReasoningRequest,
  type Sampling,
  type Tool,
  type ToolChoice,
} from '../../core/model/index.ts';
import type { Envelope } from '../codec.ts';
import {
  at,
  objectAt,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { countMedia, decodeMessages } from './messages-decode.ts';
import { extended, FORMAT } from './wire.ts';

const KNOWN = new Set([
  'model',
  'stream',
  'messages',
  'tools',
  'tool_choice',
  'strict_tools',
  'response_format',
  'thinking',
  'max_tokens',
  'stop_sequences',
  'temperature',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'k',
  'p',
  'logprobs',
]);

/** See `ChatCodec.envelope`. */
export function envelope(body: JsonObject): Envelope {
  const maxTokens = optionalNumber(body, 'max_tokens', { min: 1, integer: true });
  const messages = optionalArray(body, 'messages');
  if (messages === undefined) throw badRequest('messages', '`messages` is required.');
  return {
    model: requiredString(body, 'model'),
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(maxTokens === undefined ? {} : { maxOutputTokens: maxTokens }),
    choices: 1,
    includeUsage: false,
    tools: optionalArray(body, 'tools')?.length ?? 0,
    media: countMedia(messages),
  };
}

function decodeTool(entry: JsonObject, path: string, strict: boolean | undefined): Tool {
  if (entry['type'] !== undefined && entry['type'] !== 'function') {
    return { type: 'server', format: FORMAT, label: String(entry['type']), value: entry };
  }
  const inner = objectAt(entry['function'], at(path, 'function'));
  const description = optionalString(inner, 'description', at(path, 'function'));
  const parameters = optionalObject(inner, 'parameters', at(path, 'function'));
  return {
    type: 'function',
    name: requiredString(inner, 'name', at(path, 'function')),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
    ...extended(unknownFields(inner, new Set(['name', 'description', 'parameters']))),
  };
}

/** Cohere knows `REQUIRED` and `NONE`; no word means that the model decides. */
function decodeChoice(body: JsonObject): ToolChoice | undefined {
  const word = optionalString(body, 'tool_choice');
  if (word === undefined) return undefined;
  if (word === 'REQUIRED') return { type: 'required' };
  if (word === 'NONE') return { type: 'none' };
  throw badRequest('tool_choice', '`tool_choice` must be REQUIRED or NONE.');
}

function decodeOutput(body: JsonObject): OutputShape {
  const format = optionalObject(body, 'response_format');
  if (format === undefined || format['type'] === 'text') return { type: 'text' };
  if (format['type'] !== 'json_object') {
    throw badRequest('response_format.type', '`response_format.type` must be text or json_object.');
  }
  const schema = format['json_schema'] ?? format['schema'];
  return isObject(schema) ? { type: 'json_schema', schema } : { type: 'json_object' };
}

function decodeThinking(body: JsonObject): ReasoningRequest | undefined {
  const thinking = optionalObject(body, 'thinking');
  if (thinking === undefined) return undefined;
  const budget = optionalNumber(thinking, 'token_budget', { min: 0, integer: true, path: 'thinking' });
  return {
    enabled: thinking['type'] !== 'disabled',
    ...(budget === undefined ? {} : { budgetTokens: budget }),
  };
}

function decodeSampling(body: JsonObject): Sampling {
  const temperature = optionalNumber(body, 'temperature', { min: 0 });
  const topP = optionalNumber(body, 'p', { min: 0, max: 1 });
  const topK = optionalNumber(body, 'k', { min: 0 });
  const seed = optionalNumber(body, 'seed');
  const frequencyPenalty = optionalNumber(body, 'frequency_penalty');
  const presencePenalty = optionalNumber(body, 'presence_penalty');
  const logprobs = optionalBoolean(body, 'logprobs');
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(seed === undefined ? {} : { seed }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    ...(logprobs === undefined ? {} : { logprobs }),
  };
}

function decodeStop(body: JsonObject): readonly string[] | undefined {
  return optionalArray(body, 'stop_sequences')?.map((entry, index) => {
    const path = at('stop_sequences', index);
    if (typeof entry !== 'string') throw badRequest(path, `\`${path}\` must be a string.`);
    return entry;
  });
}

/**
 * See `ChatCodec.decodeRequest`. `documents`, `citation_options`, `safety_mode` and unknown fields are
 * extensions.
 */
export function decodeRequest(body: JsonObject): ChatRequest {
  const head = envelope(body);
  const strict = optionalBoolean(body, 'strict_tools');
  const tools = (optionalArray(body, 'tools') ?? []).map((tool, index) =>
    decodeTool(objectAt(tool, at('tools', index)), at('tools', index), strict),
  );
  const choice = decodeChoice(body);
  const stop = decodeStop(body);
  const thinking = decodeThinking(body);
  return {
    model: head.model,
    messages: decodeMessages(optionalArray(body, 'messages') ?? []),
    tools,
    ...(choice === undefined ? {} : { toolChoice: choice }),
    sampling: decodeSampling(body),
    ...(head.maxOutputTokens === undefined ? {} : { maxOutputTokens: head.maxOutputTokens }),
    ...(stop === undefined ? {} : { stop }),
    output: decodeOutput(body),
    ...(thinking === undefined ? {} : { reasoning: thinking }),
    stream: head.stream,
    includeUsage: false,
    ...extended(unknownFields(body, KNOWN)),
  };
}
