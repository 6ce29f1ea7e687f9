import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  EFFORTS,
  type Effort,
  type FunctionTool,
  isObject,
  type Json,
  type JsonObject,
  type Message,
  type OutputShape,
  type Part,
  type ReasoningRequest,
  type Sampling,
  type ServerTool,
  type Tool,
  type ToolChoice,
} from '../../core/model/index.ts';
import { parseJson, toNumber } from '../../core/model/parse-json.ts';
import type { Envelope } from '../codec.ts';
import {
  at,
  compact,
  objectAt,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { cacheMark, decodeBlocks } from './content-decode.ts';
import { extended, FORMAT, MEDIA_TYPES } from './wire.ts';

const KNOWN = new Set([
  'model',
  'stream',
  'messages',
  'system',
  'inferenceConfig',
  'toolConfig',
  'outputConfig',
  'additionalModelRequestFields',
  'serviceTier',
]);

function countMedia(content: Json | undefined): number {
  let count = 0;
  for (const block of Array.isArray(content) ? content : []) {
    if (!isObject(block)) continue;
    for (const kind of Object.keys(MEDIA_TYPES)) if (block[kind] !== undefined) count++;
    if (isObject(block['toolResult'])) count += countMedia(block['toolResult']['content']);
  }
  return count;
}

/**
 * See `ChatCodec.envelope`. `model` and `stream` come from the path (`/model/{id}/converse`,
 * `/converse-stream`); the HTTP layer puts them into the body under these names.
 */
export function envelope(body: JsonObject): Envelope {
  const inference = optionalObject(body, 'inferenceConfig') ?? {};
  const maxTokens = optionalNumber(inference, 'maxTokens', {
    min: 1,
    integer: true,
    path: 'inferenceConfig',
  });
  const messages = optionalArray(body, 'messages') ?? [];
  const tools = optionalArray(optionalObject(body, 'toolConfig') ?? {}, 'tools', 'toolConfig') ?? [];
  let media = 0;
  for (const message of messages) if (isObject(message)) media += countMedia(message['content']);
  return {
    model: requiredString(body, 'model'),
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(maxTokens === undefined ? {} : { maxOutputTokens: maxTokens }),
    choices: 1,
    includeUsage: false,
    tools: tools.filter((tool) => isObject(tool) && tool['cachePoint'] === undefined).length,
    media,
  };
}

/** Results first, in the order of the calls they answer; the rest stays as it stood. */
function resultsFirst(parts: readonly Part[], calls: readonly string[]): readonly Part[] {
  const results = parts.filter((part) => part.type === 'tool_result');
  if (results.length === 0) return parts;
  const rank = (id: string) => (calls.includes(id) ? calls.indexOf(id) : calls.length);
  results.sort((a, b) => rank(a.callId) - rank(b.callId));
  return [...results, ...parts.filter((part) => part.type !== 'tool_result')];
}

const MESSAGE_FIELDS = new Set(['role', 'content']);

function decodeMessages(body: JsonObject): Message[] {
  const messages: Message[] = [];
  const names = new Map<string, string>();
  let calls: string[] = [];
  for (const [index, entry] of (optionalArray(body, 'messages') ?? []).entries()) {
    const path = at('messages', index);
    const value = objectAt(entry, path);
    const role = requiredString(value, 'role', path);
    if (role !== 'user' && role !== 'assistant') {
      throw badRequest(at(path, 'role'), `\`${at(path, 'role')}\` must be "user" or "assistant".`);
    }
    const content = optionalArray(value, 'content', path) ?? [];
    const blocks = resultsFirst(decodeBlocks(content, role, at(path, 'content')), calls);
    if (role === 'assistant') calls = [];
    const parts = blocks.map((part): Part => {
      if (part.type === 'tool_call') {
        calls.push(part.id);
        names.set(part.id, part.name);
      }
      const name = part.type === 'tool_result' ? names.get(part.callId) : undefined;
      return part.type === 'tool_result' && name !== undefined ? { ...part, name } : part;
    });
    messages.push({ role, parts, ...extended(unknownFields(value, MESSAGE_FIELDS)) });
  }
  return messages;
}

const SPEC_FIELDS = new Set(['name', 'description', 'inputSchema', 'strict']);

function decodeTool(entry: JsonObject, path: string): Tool {
  if (entry['toolSpec'] === undefined) {
    const system = entry['systemTool'];
    const name = isObject(system) && typeof system['name'] === 'string' ? system['name'] : undefined;
    const label = name ?? Object.keys(entry)[0] ?? 'tool';
    return { type: 'server', format: FORMAT, label, value: entry } satisfies ServerTool;
  }
  const specPath = at(path, 'toolSpec');
  const spec = objectAt(entry['toolSpec'], specPath);
  const description = optionalString(spec, 'description', specPath);
  const strict = optionalBoolean(spec, 'strict', specPath);
  const schema = optionalObject(spec, 'inputSchema', specPath)?.['json'];
  return {
    type: 'function',
    name: requiredString(spec, 'name', specPath),
    ...(description === undefined ? {} : { description }),
    ...(isObject(schema) ? { parameters: schema } : {}),
    ...(strict === undefined ? {} : { strict }),
    ...extended(unknownFields(spec, SPEC_FIELDS)),
  } satisfies FunctionTool;
}

function decodeTools(config: JsonObject): readonly Tool[] {
  const tools: Tool[] = [];
  for (const [index, entry] of (optionalArray(config, 'tools', 'toolConfig') ?? []).entries()) {
    const path = at('toolConfig.tools', index);
    const value = objectAt(entry, path);
    const before = tools.at(-1);
    const point = value['cachePoint'];
    if (!isObject(point)) tools.push(decodeTool(value, path));
    else if (before !== undefined && before.type !== 'custom') {
      tools[tools.length - 1] = { ...before, cache: cacheMark(point) };
    }
  }
  return tools;
}

function decodeToolChoice(config: JsonObject): ToolChoice | undefined {
  const choice = optionalObject(config, 'toolChoice', 'toolConfig');
  if (choice === undefined) return undefined;
  if (choice['auto'] !== undefined) return { type: 'auto' };
  if (choice['any'] !== undefined) return { type: 'required' };
  const path = 'toolConfig.toolChoice';
  const tool = optionalObject(choice, 'tool', path);
  if (tool !== undefined) return { type: 'tool', name: requiredString(tool, 'name', at(path, 'tool')) };
  throw badRequest(path, `\`${path}\` must be one of {"auto"}, {"any"} and {"tool"}.`);
}

function decodeOutput(config: JsonObject): OutputShape {
  const format = optionalObject(config, 'textFormat', 'outputConfig');
  if (format?.['type'] !== 'json_schema') return { type: 'text' };
  const path = 'outputConfig.textFormat.structure.jsonSchema';
  const structure = optionalObject(format, 'structure', 'outputConfig.textFormat') ?? {};
  const shape = objectAt(structure['jsonSchema'], path);
  const text = requiredString(shape, 'schema', path);
  let schema: Json;
  try {
    schema = parseJson(text);
  } catch {
    throw badRequest(`${path}.schema`, `\`${path}.schema\` must be a JSON schema written as a string.`);
  }
  const name = optionalString(shape, 'name', path);
  const description = optionalString(shape, 'description', path);
  return {
    type: 'json_schema',
    schema: objectAt(schema, `${path}.schema`),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
  };
}

function effortOf(value: Json | undefined): Effort | undefined {
  return EFFORTS.find((effort) => effort === value);
}

/**
 * What `additionalModelRequestFields` says in the words of the models' own APIs, and what of it is left over.
 */
interface ModelFields {
  readonly reasoning?: ReasoningRequest;
  readonly topK?: number;
  readonly readsEffort: boolean;
  readonly rest: JsonObject;
}

function decodeThinking(thinking: JsonObject, effort: Effort | undefined): ReasoningRequest {
  const budget = toNumber(thinking['budget_tokens']);
  return {
    enabled: thinking['type'] !== 'disabled',
    ...(thinking['type'] === 'adaptive' ? { adaptive: true } : {}),
    ...(typeof budget === 'number' ? { budgetTokens: budget } : {}),
    ...(effort === undefined ? {} : { effort }),
  };
}

const THINKING_FIELDS = new Set(['type', 'budget_tokens']);

function decodeModelFields(fields: JsonObject, output: JsonObject): ModelFields {
  const rest: JsonObject = { ...fields };
  const thinking = fields['thinking'];
  const inference = fields['inferenceConfig'];
  let reasoning: ReasoningRequest | undefined;
  if (isObject(thinking)) {
    reasoning = decodeThinking(thinking, effortOf(output['effort']));
    rest['thinking'] = unknownFields(thinking, THINKING_FIELDS);
  } else if (effortOf(fields['reasoning_effort']) !== undefined) {
    const effort = effortOf(fields['reasoning_effort']) ?? 'none';
    reasoning = { enabled: effort !== 'none', effort };
    rest['reasoning_effort'] = undefined;
  }
  const topK = toNumber(fields['top_k'] ?? (isObject(inference) ? inference['topK'] : undefined));
  if (typeof topK === 'number') {
    rest['top_k'] = undefined;
    // Nova's spelling; the empty object that may be left tells the encoder to use it again.
    if (isObject(inference)) rest['inferenceConfig'] = unknownFields(inference, new Set(['topK'])) ?? {};
  }
  return {
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(typeof topK === 'number' ? { topK } : {}),
    readsEffort: isObject(thinking) && effortOf(output['effort']) !== undefined,
    rest: compact(rest),
  };
}

const INFERENCE_FIELDS = new Set(['maxTokens', 'temperature', 'topP', 'stopSequences']);

function decodeStop(inference: JsonObject): readonly string[] | undefined {
  const list = optionalArray(inference, 'stopSequences', 'inferenceConfig');
  return list?.map((entry, index) => {
    const path = at('inferenceConfig.stopSequences', index);
    if (typeof entry !== 'string') throw badRequest(path, `\`${path}\` must be a string.`);
    return entry;
  });
}

/** What of the known objects the model has no word for, under their own names, beside the unknown fields. */
function leftOver(body: JsonObject, parts: Readonly<Record<string, JsonObject | undefined>>): JsonObject {
  const rest: JsonObject = { ...unknownFields(body, KNOWN) };
  for (const [key, value] of Object.entries(parts)) {
    if (value !== undefined && Object.keys(value).length > 0) rest[key] = value;
  }
  return rest;
}

function decodeSampling(inference: JsonObject, topK: number | undefined): Sampling {
  const path = 'inferenceConfig';
  const temperature = optionalNumber(inference, 'temperature', { min: 0, path });
  const topP = optionalNumber(inference, 'topP', { min: 0, max: 1, path });
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
  };
}

/** See `ChatCodec.decodeRequest`. */
export function decodeRequest(body: JsonObject): ChatRequest {
  const head = envelope(body);
  const inference = optionalObject(body, 'inferenceConfig') ?? {};
  const tools = optionalObject(body, 'toolConfig') ?? {};
  const output = optionalObject(body, 'outputConfig') ?? {};
  const fields = decodeModelFields(optionalObject(body, 'additionalModelRequestFields') ?? {}, output);
  const system = decodeBlocks(optionalArray(body, 'system') ?? [], 'system', 'system');
  const stop = decodeStop(inference);
  const choice = decodeToolChoice(tools);
  const tier = optionalObject(body, 'serviceTier');
  const outputKnown = new Set(fields.readsEffort ? ['textFormat', 'effort'] : ['textFormat']);
  const rest = leftOver(body, {
    inferenceConfig: unknownFields(inference, INFERENCE_FIELDS),
    toolConfig: unknownFields(tools, new Set(['tools', 'toolChoice'])),
    outputConfig: unknownFields(output, outputKnown),
    additionalModelRequestFields: fields.rest,
    serviceTier: typeof tier?.['type'] === 'string' ? undefined : tier,
  });
  return {
    model: head.model,
    messages: [
      ...(system.length === 0 ? [] : [{ role: 'system' as const, parts: system }]),
      ...decodeMessages(body),
    ],
    tools: decodeTools(tools),
    ...(choice === undefined ? {} : { toolChoice: choice }),
    sampling: decodeSampling(inference, fields.topK),
    ...(head.maxOutputTokens === undefined ? {} : { maxOutputTokens: head.maxOutputTokens }),
    ...(stop === undefined ? {} : { stop }),
    output: decodeOutput(output),
    ...(fields.reasoning === undefined ? {} : { reasoning: fields.reasoning }),
    stream: head.stream,
    includeUsage: false,
    ...(typeof tier?.['type'] === 'string' ? { serviceTier: tier['type'] } : {}),
    ...extended(rest),
  };
}
