import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type Effort,
  isObject,
  type JsonObject,
  type OutputShape,
  type ReasoningRequest,
  type Sampling,
} from '../../core/model/index.ts';
import { fromOpenApiSubset } from '../../core/translation/schema-subset.ts';
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
import { asString, camelKeys, listOf, messageAt, refuseTwice, requestMessage } from './aliases.ts';
import { decodeContents, decodeSystem } from './message-decode.ts';
import { countTools, decodeToolConfig, decodeTools, geminiExtension } from './tool-decode.ts';

const BODY_FIELDS = new Set([
  'model',
  'stream',
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
  'serviceTier',
  'labels',
  'store',
]);

const CONFIG_FIELDS = new Set([
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'responseLogprobs',
  'logprobs',
  'candidateCount',
  'maxOutputTokens',
  'stopSequences',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'thinkingConfig',
]);

const THINKING_FIELDS = new Set(['includeThoughts', 'thinkingBudget', 'thinkingLevel']);
const PATH = 'generationConfig';

const LEVELS: Readonly<Record<string, Effort>> = {
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
};

/** Compacts a typed object: absent is absent, never `undefined`. */
function present<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return compact(fields as JsonObject) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function integer(config: JsonObject, key: string, min?: number): number | undefined {
  return optionalNumber(config, key, { integer: true, path: PATH, ...(min === undefined ? {} : { min }) });
}

function decodeSampling(config: JsonObject): Sampling {
  const number = (key: string) => optionalNumber(config, key, { path: PATH });
  return present({
    temperature: number('temperature'),
    topP: number('topP'),
    topK: number('topK'),
    seed: integer(config, 'seed'),
    presencePenalty: number('presencePenalty'),
    frequencyPenalty: number('frequencyPenalty'),
    logprobs: optionalBoolean(config, 'responseLogprobs', PATH),
    topLogprobs: integer(config, 'logprobs', 0),
  }) as Sampling;
}

/**
 * `thinkingBudget` 0 is off and −1 dynamic (Gemini API "Thinking"); without `includeThoughts` no thoughts
 * come back.
 */
function decodeThinking(config: JsonObject): ReasoningRequest | undefined {
  const body = requestMessage(config, 'thinkingConfig', PATH);
  if (body === undefined) return undefined;
  const path = `${PATH}.thinkingConfig`;
  const summary = optionalBoolean(body, 'includeThoughts', path) === true ? 'auto' : 'none';
  const level = optionalString(body, 'thinkingLevel', path)?.toUpperCase();
  const effort = level === undefined ? undefined : LEVELS[level];
  if (effort !== undefined) return { enabled: true, effort, summary };
  const budget = optionalNumber(body, 'thinkingBudget', { integer: true, min: -1, path });
  if (budget === undefined) return { enabled: true, summary };
  if (budget === -1) return { enabled: true, adaptive: true, summary };
  return { enabled: budget > 0, budgetTokens: budget, summary };
}

interface Shape {
  readonly output: OutputShape;
  /** Fields of another mime type than JSON (`text/x.enum`), which only Google knows. */
  readonly rest: JsonObject;
}

function decodeOutput(config: JsonObject): Shape {
  const mime = asString(config['responseMimeType']);
  const { responseJsonSchema: full, responseSchema: subset } = config;
  if (mime !== undefined && mime !== 'application/json' && mime !== 'text/plain') {
    return {
      output: { type: 'text' },
      rest: compact({ responseMimeType: mime, responseJsonSchema: full, responseSchema: subset }),
    };
  }
  if (isObject(full)) return { output: { type: 'json_schema', schema: full }, rest: {} };
  if (isObject(subset))
    return { output: { type: 'json_schema', schema: fromOpenApiSubset(subset) }, rest: {} };
  return { output: { type: mime === 'application/json' ? 'json_object' : 'text' }, rest: {} };
}

function decodeConfig(config: JsonObject) {
  const stop = listOf(config['stopSequences']).filter((text) => typeof text === 'string' && text !== '');
  const { output, rest } = decodeOutput(config);
  const thinking = unknownFields(messageAt(config, 'thinkingConfig') ?? {}, THINKING_FIELDS);
  const extra = {
    ...unknownFields(config, CONFIG_FIELDS),
    ...rest,
    ...(thinking === undefined ? {} : { thinkingConfig: thinking }),
  };
  return {
    fields: {
      sampling: decodeSampling(config),
      output,
      ...present({
        choices: integer(config, 'candidateCount', 1),
        maxOutputTokens: integer(config, 'maxOutputTokens', 1),
        stop: stop.length === 0 ? undefined : (stop as string[]),
        reasoning: decodeThinking(config),
      }),
    },
    extra,
  };
}

function requireContents(body: JsonObject): void {
  if (listOf(body['contents']).length > 0) return;
  throw badRequest('contents', '`contents` is required and must hold at least one turn.');
}

/** See `ChatCodec.decodeRequest`. `model` and `stream` are the pseudo-fields of `index.ts`. */
export function decodeRequest(wire: JsonObject): ChatRequest {
  const body = camelKeys(wire);
  requireContents(body);
  const config = decodeConfig(requestMessage(body, 'generationConfig') ?? {});
  const tools = decodeToolConfig(requestMessage(body, 'toolConfig'));
  const { labels } = body;
  const extension = {
    ...unknownFields(body, BODY_FIELDS),
    ...(Object.keys(config.extra).length === 0 ? {} : { generationConfig: config.extra }),
    ...(tools.rest === undefined ? {} : { toolConfig: tools.rest }),
  };
  return {
    model: requiredString(body, 'model'),
    messages: [...decodeSystem(body['systemInstruction']), ...decodeContents(body['contents'])],
    tools: decodeTools(body['tools']),
    ...(tools.choice === undefined ? {} : { toolChoice: tools.choice }),
    ...config.fields,
    stream: optionalBoolean(body, 'stream') ?? false,
    includeUsage: true,
    ...(isObject(labels) ? { metadata: labels } : {}),
    ...present({ serviceTier: optionalString(body, 'serviceTier'), store: optionalBoolean(body, 'store') }),
    ...geminiExtension(extension),
  };
}

function countMedia(body: JsonObject): number {
  let media = 0;
  for (const content of listOf(body['contents'])) {
    if (!isObject(content)) continue;
    for (const part of listOf(content['parts'])) {
      if (!isObject(part)) continue;
      if ('inlineData' in part || 'inline_data' in part || 'fileData' in part || 'file_data' in part) media++;
    }
  }
  return media;
}

/** See `ChatCodec.envelope`. */
export function envelope(wire: JsonObject): Envelope {
  const body = camelKeys(wire);
  requireContents(body);
  refuseTwice(wire);
  refuseTwice(optionalObject(body, 'generationConfig') ?? {}, 'generationConfig.');
  const config = requestMessage(body, 'generationConfig') ?? {};
  const maxOutputTokens = integer(config, 'maxOutputTokens', 1);
  return {
    model: requiredString(body, 'model'),
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    choices: integer(config, 'candidateCount', 1) ?? 1,
    includeUsage: false,
    tools: countTools(body['tools']),
    media: countMedia(body),
  };
}
