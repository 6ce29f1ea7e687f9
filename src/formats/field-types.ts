import { badRequest } from '../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import { toNumber } from '../core/model/parse-json.ts';
import { at } from './fields.ts';

/*
 * The JSON types of every field that a dialect's public reference documents. A body that is forwarded as it came is never
 * decoded, so this is where a wrong type is found before a provider is called and paid. Types only: ranges and words are
 * the upstream's to judge, because compatible vendors widen them.
 */

type Kind = 'string' | 'number' | 'boolean' | 'array' | 'object';

/** Kinds a field may have, and what its elements or members may be. `null` always passes: SDKs write it for "not set". */
interface FieldType {
  readonly kinds: readonly Kind[];
  readonly items?: FieldType;
  readonly fields?: FieldTypes;
}

type FieldTypes = ReadonlyMap<string, FieldType>;

const WORDS: Readonly<Record<Kind, string>> = {
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
};

const one = (...kinds: readonly Kind[]): FieldType => ({ kinds });
const STRING = one('string');
const NUMBER = one('number');
const BOOLEAN = one('boolean');
const OBJECT = one('object');
const TEXT_OR_OBJECT = one('string', 'object');
const listOf = (items: FieldType): FieldType => ({ kinds: ['array'], items });
const object = (fields: Readonly<Record<string, FieldType>>): FieldType => ({
  kinds: ['object'],
  fields: new Map(Object.entries(fields)),
});
const OBJECTS = listOf(OBJECT);
const STRINGS = listOf(STRING);
/** Text, or parts that are objects. */
const CONTENT: FieldType = { kinds: ['string', 'array'], items: OBJECT };
/** Protobuf's JSON mapping lets numbers be written as strings, and a list of one without brackets. */
const PROTO_NUMBER = one('number', 'string');
const protoList = (items: FieldType): FieldType => ({ ...items, kinds: ['array', ...items.kinds], items });

const table = (fields: Readonly<Record<string, FieldType>>): FieldTypes => new Map(Object.entries(fields));
const all = (type: FieldType, names: string): Record<string, FieldType> =>
  Object.fromEntries(names.split(' ').map((name) => [name, type]));

const CHAT = table({
  ...all(STRING, 'model user service_tier prompt_cache_key safety_identifier verbosity reasoning_effort'),
  ...all(NUMBER, 'temperature top_p top_k seed frequency_penalty presence_penalty top_logprobs n'),
  ...all(NUMBER, 'max_tokens max_completion_tokens'),
  ...all(BOOLEAN, 'stream store parallel_tool_calls'),
  ...all(OBJECT, 'logit_bias response_format metadata audio prediction web_search_options'),
  ...all(TEXT_OR_OBJECT, 'tool_choice function_call'),
  messages: listOf(object({ role: STRING, content: CONTENT, tool_calls: OBJECTS, tool_call_id: STRING })),
  tools: listOf(object({ type: STRING, function: object({ name: STRING, description: STRING }) })),
  functions: listOf(object({ name: STRING, description: STRING, parameters: OBJECT })),
  // A count with some compatible vendors.
  logprobs: one('boolean', 'number'),
  stop: { kinds: ['string', 'array'], items: STRING },
  stream_options: object({ include_usage: BOOLEAN }),
  modalities: STRINGS,
});

const RESPONSES = table({
  ...all(STRING, 'model instructions previous_response_id user prompt_cache_key service_tier'),
  ...all(STRING, 'safety_identifier truncation'),
  ...all(NUMBER, 'max_output_tokens temperature top_p top_logprobs max_tool_calls'),
  ...all(BOOLEAN, 'stream store parallel_tool_calls background'),
  ...all(OBJECT, 'metadata prompt stream_options'),
  ...all(TEXT_OR_OBJECT, 'tool_choice conversation'),
  input: { kinds: ['string', 'array'], items: object({ role: STRING, content: CONTENT, type: STRING }) },
  tools: listOf(object({ type: STRING, name: STRING })),
  text: object({ format: OBJECT, verbosity: STRING }),
  reasoning: object({ effort: STRING, summary: STRING }),
  include: STRINGS,
});

const MESSAGES = table({
  ...all(STRING, 'model service_tier'),
  ...all(NUMBER, 'max_tokens temperature top_p top_k'),
  ...all(OBJECT, 'output_config output_format context_management'),
  stream: BOOLEAN,
  messages: listOf(object({ role: STRING, content: CONTENT })),
  system: CONTENT,
  tools: listOf(object({ name: STRING, description: STRING, input_schema: OBJECT })),
  tool_choice: object({ type: STRING, name: STRING }),
  thinking: object({ type: STRING, budget_tokens: NUMBER }),
  metadata: object({ user_id: STRING }),
  stop_sequences: STRINGS,
  mcp_servers: OBJECTS,
  container: TEXT_OR_OBJECT,
});

const GEMINI_CONTENT = object({ role: STRING, parts: protoList(OBJECT) });
const GEMINI_CONFIG = {
  ...all(PROTO_NUMBER, 'temperature topP topK seed presencePenalty frequencyPenalty logprobs'),
  ...all(PROTO_NUMBER, 'candidateCount maxOutputTokens'),
  ...all(OBJECT, 'responseSchema thinkingConfig speechConfig'),
  responseLogprobs: BOOLEAN,
  responseMimeType: STRING,
  mediaResolution: STRING,
  stopSequences: protoList(STRING),
  responseModalities: protoList(STRING),
};

/** Google's parser takes each name in either spelling. */
function bothSpellings(fields: Readonly<Record<string, FieldType>>): Record<string, FieldType> {
  const snake = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, type]) => [
      [name, type],
      [snake(name), type],
    ]),
  );
}

const GEMINI = table(
  bothSpellings({
    contents: protoList(GEMINI_CONTENT),
    systemInstruction: { ...GEMINI_CONTENT, kinds: ['object', 'string'] },
    tools: protoList(OBJECT),
    toolConfig: OBJECT,
    generationConfig: object(bothSpellings(GEMINI_CONFIG)),
    safetySettings: protoList(OBJECT),
    cachedContent: STRING,
    labels: OBJECT,
    serviceTier: STRING,
    store: BOOLEAN,
  }),
);

const IMAGES = table({
  ...all(STRING, 'model prompt size quality response_format user style background moderation output_format'),
  ...all(NUMBER, 'n output_compression partial_images'),
  stream: BOOLEAN,
});

const SPEECH = table({
  ...all(STRING, 'model input response_format instructions stream_format'),
  voice: TEXT_OR_OBJECT,
  speed: NUMBER,
});

/** Fields by which other gateways let a request choose where it goes, or with which key (RELIABILITY T9). */
const ROUTING: ReadonlySet<string> = new Set(
  (
    'api_base apiBase api_key apiKey base_url baseUrl baseURL custom_llm_provider litellm_params model_list ' +
    'extra_headers extra_query user_config azure_ad_token azure_endpoint vertex_credentials vertex_location ' +
    'aws_access_key_id aws_secret_access_key aws_session_token aws_region_name aws_bedrock_runtime_endpoint ' +
    'aws_sts_endpoint proxy http_proxy https_proxy mock_response'
  ).split(' '),
);

/** Such a field, whatever it holds. */
const REDIRECTING: FieldType = { kinds: [] };

/** A table that knows what redirects a call too: one look-up for each field tells both. */
function guarded(types: FieldTypes): FieldTypes {
  return new Map([...types, ...[...ROUTING].map((name) => [name, REDIRECTING] as const)]);
}

/** By dialect or operation; those that are always decoded have none of their own. */
const TABLES: ReadonlyMap<string, FieldTypes> = new Map([
  ['openai-chat', guarded(CHAT)],
  ['openai-responses', guarded(RESPONSES)],
  ['anthropic-messages', guarded(MESSAGES)],
  ['gemini', guarded(GEMINI)],
  ['images', guarded(IMAGES)],
  ['speech', guarded(SPEECH)],
]);

const UNTYPED = guarded(new Map());

function kindOf(value: Json): Kind {
  if (typeof value !== 'object') return typeof value as Kind;
  if (Array.isArray(value)) return 'array';
  return typeof toNumber(value) as Kind;
}

/** What is wrong, and where: the path's pieces from the inside out, put together only when there is a fault. */
interface Fault {
  readonly where: (string | number)[];
  readonly says: string;
}

function check(value: Json | undefined, type: FieldType): Fault | undefined {
  if (type === REDIRECTING) return { where: [], says: 'cannot be set by a request' };
  if (value === null || value === undefined) return undefined;
  const kind = kindOf(value);
  if (kind !== type.kinds[0] && !type.kinds.includes(kind)) {
    return { where: [], says: `must be ${type.kinds.map((kind) => WORDS[kind]).join(' or ')}` };
  }
  const { items, fields } = type;
  if (items !== undefined && Array.isArray(value)) return checkItems(value, items);
  return fields !== undefined && isObject(value) ? checkAll(value, fields) : undefined;
}

function checkItems(values: readonly Json[], type: FieldType): Fault | undefined {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const fault = value === null ? { where: [], says: 'must not be null' } : check(value, type);
    if (fault === undefined) continue;
    fault.where.push(index);
    return fault;
  }
  return undefined;
}

function checkAll(body: JsonObject, types: FieldTypes): Fault | undefined {
  for (const key in body) {
    const type = types.get(key);
    if (type === undefined) continue;
    const fault = check(body[key], type);
    if (fault === undefined) continue;
    fault.where.push(key);
    return fault;
  }
  return undefined;
}

function refuseRouting(body: JsonObject, path: string): void {
  for (const key in body) {
    if (!ROUTING.has(key)) continue;
    const name = at(path, key);
    throw badRequest(
      name,
      `\`${name}\` cannot be set by a request; where calls go is configured in the gateway.`,
    );
  }
}

/**
 * Checks the types of all fields that the reference of a dialect or an operation documents, and refuses fields that would
 * redirect the call. Throws `bad_request` naming the field.
 */
export function checkFieldTypes(dialect: string, body: JsonObject): void {
  const fault = checkAll(body, TABLES.get(dialect) ?? UNTYPED);
  // What would redirect the call is told first, wherever it stands.
  if (fault !== undefined) refuseRouting(body, '');
  const { extra_body: extraBody, metadata } = body;
  if (isObject(extraBody)) refuseRouting(extraBody, 'extra_body');
  if (isObject(metadata)) refuseRouting(metadata, 'metadata');
  if (fault === undefined) return;
  const path = fault.where.reduceRight<string>((before, piece) => at(before, piece), '');
  throw badRequest(path, `\`${path}\` ${fault.says}.`);
}
