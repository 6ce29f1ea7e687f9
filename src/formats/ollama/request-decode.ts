import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  EFFORTS,
  isObject,
  type Json,
  type JsonObject,
  type OutputShape,
  type ReasoningRequest,
  type Sampling,
  type Tool,
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
import { decodeMessages } from './messages-decode.ts';
import { extended, FORMAT } from './wire.ts';

const KNOWN = new Set([
  'model',
  'stream',
  'messages',
  'tools',
  'think',
  'format',
  'options',
  'logprobs',
  'top_logprobs',
]);

const path = 'options';

/** Negative `num_predict` means "no limit" and stays among the options as it is. */
function numPredict(options: JsonObject): number | undefined {
  const limit = optionalNumber(options, 'num_predict', { integer: true, path });
  return limit === undefined || limit <= 0 ? undefined : limit;
}

/** See `ChatCodec.envelope`. Ollama streams unless told not to. */
export function envelope(body: JsonObject): Envelope {
  const limit = numPredict(optionalObject(body, 'options') ?? {});
  const messages = optionalArray(body, 'messages') ?? [];
  let media = 0;
  for (const message of messages) {
    if (isObject(message) && Array.isArray(message['images'])) media += message['images'].length;
  }
  return {
    model: requiredString(body, 'model'),
    stream: optionalBoolean(body, 'stream') ?? true,
    ...(limit === undefined ? {} : { maxOutputTokens: limit }),
    choices: 1,
    includeUsage: false,
    tools: optionalArray(body, 'tools')?.length ?? 0,
    media,
  };
}

function decodeTool(entry: JsonObject, place: string): Tool {
  if (entry['type'] !== undefined && entry['type'] !== 'function') {
    return { type: 'server', format: FORMAT, label: String(entry['type']), value: entry };
  }
  const inner = objectAt(entry['function'], at(place, 'function'));
  const description = optionalString(inner, 'description', at(place, 'function'));
  const parameters = optionalObject(inner, 'parameters', at(place, 'function'));
  return {
    type: 'function',
    name: requiredString(inner, 'name', at(place, 'function')),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...extended(unknownFields(inner, new Set(['name', 'description', 'parameters']))),
  };
}

/** `format`: empty, `"json"` or a JSON schema. */
function decodeFormat(format: Json | undefined): OutputShape {
  if (format === undefined || format === null || format === '') return { type: 'text' };
  if (format === 'json') return { type: 'json_object' };
  if (isObject(format)) return { type: 'json_schema', schema: format };
  throw badRequest('format', '`format` must be "json" or a JSON schema.');
}

function decodeThink(think: Json | undefined): ReasoningRequest | undefined {
  if (think === undefined || think === null) return undefined;
  if (typeof think === 'boolean') return { enabled: think };
  const effort = EFFORTS.find((level) => level === think);
  if (effort === undefined) throw badRequest('think', '`think` must be true, false or a level.');
  return { enabled: effort !== 'none', effort };
}

function decodeStop(options: JsonObject): readonly string[] | undefined {
  const { stop } = options;
  if (typeof stop === 'string') return [stop];
  return optionalArray(options, 'stop', path)?.map((entry, index) => {
    if (typeof entry === 'string') return entry;
    throw badRequest(at('options.stop', index), `\`${at('options.stop', index)}\` must be a string.`);
  });
}

const OPTION_FIELDS = [
  'num_predict',
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'stop',
  'frequency_penalty',
  'presence_penalty',
];

function decodeSampling(body: JsonObject, options: JsonObject): Sampling {
  const temperature = optionalNumber(options, 'temperature', { path });
  const topP = optionalNumber(options, 'top_p', { path });
  const topK = optionalNumber(options, 'top_k', { path });
  const seed = optionalNumber(options, 'seed', { path });
  const frequencyPenalty = optionalNumber(options, 'frequency_penalty', { path });
  const presencePenalty = optionalNumber(options, 'presence_penalty', { path });
  const logprobs = optionalBoolean(body, 'logprobs');
  const topLogprobs = optionalNumber(body, 'top_logprobs', { min: 0, integer: true });
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
    ...(seed === undefined ? {} : { seed }),
    ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presencePenalty }),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(topLogprobs === undefined ? {} : { topLogprobs }),
  };
}

/**
 * See `ChatCodec.decodeRequest`. `keep_alive`, the runner's other options and unknown fields are extensions.
 */
export function decodeRequest(body: JsonObject): ChatRequest {
  const head = envelope(body);
  const options = optionalObject(body, 'options') ?? {};
  const known = new Set(OPTION_FIELDS);
  if (numPredict(options) === undefined) known.delete('num_predict');
  const left = unknownFields(options, known);
  const stop = decodeStop(options);
  const reasoning = decodeThink(body['think']);
  const extra: JsonObject = { ...unknownFields(body, KNOWN) };
  if (left !== undefined) extra['options'] = left;
  // Not every model takes a level: the word goes back only where it came from.
  if (typeof body['think'] === 'string') extra['think'] = body['think'];
  return {
    model: head.model,
    messages: decodeMessages(optionalArray(body, 'messages') ?? []),
    tools: (optionalArray(body, 'tools') ?? []).map((tool, index) =>
      decodeTool(objectAt(tool, at('tools', index)), at('tools', index)),
    ),
    sampling: decodeSampling(body, options),
    ...(head.maxOutputTokens === undefined ? {} : { maxOutputTokens: head.maxOutputTokens }),
    ...(stop === undefined ? {} : { stop }),
    output: decodeFormat(body['format']),
    ...(reasoning === undefined ? {} : { reasoning }),
    stream: head.stream,
    includeUsage: false,
    ...extended(extra),
  };
}
