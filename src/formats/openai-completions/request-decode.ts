import { badRequest, unsupported } from '../../core/errors/error.ts';
import type { ChatRequest, Json, JsonObject, Sampling } from '../../core/model/index.ts';
import type { Envelope } from '../codec.ts';
import {
  compact,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';

const KNOWN = new Set([
  'model',
  'prompt',
  'suffix',
  'echo',
  'best_of',
  'logprobs',
  'n',
  'max_tokens',
  'stop',
  'temperature',
  'top_p',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'stream',
  'stream_options',
  'user',
]);

/** OpenAI allows up to five alternatives per token here. */
const MAX_LOGPROBS = 5;

/** The one prompt as text. Several prompts would be several conversations, and token numbers belong to one model. */
function promptOf(prompt: Json | undefined): string {
  const single = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt;
  if (typeof single === 'string') {
    if (single === '') throw badRequest('prompt', '`prompt` must not be empty.');
    return single;
  }
  if (!Array.isArray(prompt)) {
    throw badRequest('prompt', '`prompt` is required and must be a string or an array with one string.');
  }
  if (prompt.some((entry) => typeof entry === 'number' || Array.isArray(entry))) {
    throw unsupported('prompt', 'Send `prompt` as text: token numbers mean something to one model only.');
  }
  if (prompt.length > 1 && prompt.every((entry) => typeof entry === 'string')) {
    throw unsupported('prompt', 'Send one prompt per request; several in one call are not supported.');
  }
  throw badRequest('prompt', '`prompt` must be a string or an array with one string.');
}

function choicesOf(body: JsonObject): number {
  return optionalNumber(body, 'n', { min: 1, max: 128, integer: true }) ?? 1;
}

/** Refuses what a chat model cannot do and whose loss would change the answer. */
function refuseUncarried(body: JsonObject): void {
  if ((optionalString(body, 'suffix') ?? '') !== '') {
    throw unsupported('suffix', 'Filling in before a `suffix` is not supported; put the text into `prompt`.');
  }
  if (optionalBoolean(body, 'echo') === true) {
    throw unsupported('echo', '`echo` is not supported; the prompt is not repeated in the answer.');
  }
  const best = optionalNumber(body, 'best_of', { min: 1, integer: true });
  if (best !== undefined && best !== choicesOf(body)) {
    throw unsupported('best_of', '`best_of` is not supported; ask for `n` answers and choose.');
  }
}

/** See `ChatCodec.envelope`. */
export function readEnvelope(body: JsonObject): Envelope {
  const model = requiredString(body, 'model');
  if (model === '') throw badRequest('model', '`model` must name a model.');
  promptOf(body['prompt']);
  refuseUncarried(body);
  const maxOutputTokens = optionalNumber(body, 'max_tokens', { min: 0, integer: true });
  return {
    model,
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    choices: choicesOf(body),
    includeUsage: optionalObject(body, 'stream_options')?.['include_usage'] === true,
    tools: 0,
    media: 0,
  };
}

function decodeSampling(body: JsonObject): Sampling {
  const logprobs = optionalNumber(body, 'logprobs', { min: 0, max: MAX_LOGPROBS, integer: true });
  const sampling: { readonly [Key in keyof Sampling]: Sampling[Key] | undefined } = {
    temperature: optionalNumber(body, 'temperature', { min: 0 }),
    topP: optionalNumber(body, 'top_p', { min: 0 }),
    seed: optionalNumber(body, 'seed', { integer: true }),
    frequencyPenalty: optionalNumber(body, 'frequency_penalty'),
    presencePenalty: optionalNumber(body, 'presence_penalty'),
    logitBias: optionalObject(body, 'logit_bias'),
    logprobs: logprobs === undefined ? undefined : true,
    topLogprobs: logprobs === undefined || logprobs === 0 ? undefined : logprobs,
  };
  return compact(sampling as JsonObject) as Sampling;
}

function decodeStop(stop: Json | undefined): { stop?: readonly string[] } {
  if (stop === undefined || stop === null) return {};
  if (typeof stop === 'string') return { stop: [stop] };
  if (Array.isArray(stop) && stop.every((word) => typeof word === 'string')) return { stop };
  throw badRequest('stop', '`stop` must be a string or an array of strings.');
}

/**
 * See `ChatCodec.decodeRequest`. The prompt becomes one user message. OpenAI's default of 16 output tokens is not
 * applied: it was made for models that complete text, and cuts a chat model's answer.
 */
export function decodeRequest(body: JsonObject): ChatRequest {
  const envelope = readEnvelope(body);
  const user = optionalString(body, 'user');
  const rest = unknownFields(body, KNOWN);
  const { maxOutputTokens, choices } = envelope;
  return {
    model: envelope.model,
    messages: [{ role: 'user', parts: [{ type: 'text', text: promptOf(body['prompt']) }] }],
    tools: [],
    sampling: decodeSampling(body),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...decodeStop(body['stop']),
    ...(choices === 1 ? {} : { choices }),
    output: { type: 'text' },
    stream: envelope.stream,
    includeUsage: envelope.includeUsage,
    ...(user === undefined ? {} : { user }),
    ...(rest === undefined ? {} : { extensions: { 'openai-completions': rest } }),
  };
}
