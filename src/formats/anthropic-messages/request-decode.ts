import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  isObject,
  type Json,
  type JsonObject,
  type Message,
  type Part,
  type ToolResultPart,
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
import { FORMAT } from './names.ts';
import { decodeBlocks } from './parts-decode.ts';
import { decodeOutput, decodeReasoning } from './settings-decode.ts';
import { decodeToolChoice, decodeTools } from './tools-decode.ts';

const KNOWN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'max_tokens',
  'metadata',
  'stop_sequences',
  'stream',
  'temperature',
  'top_p',
  'top_k',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'service_tier',
]);

/** The messages, of which there must be one at least; none where a paused answer of a thread is to go on. */
function messagesOf(body: JsonObject): readonly Json[] {
  const messages = optionalArray(body, 'messages');
  const { thread } = body;
  const goesOn = isObject(thread) && thread['type'] === 'continue';
  if (messages === undefined || (messages.length === 0 && !goesOn)) {
    throw badRequest('messages', '`messages` must be an array with at least one message.');
  }
  return messages;
}

function countMedia(content: Json | undefined): number {
  if (!Array.isArray(content)) return 0;
  let count = 0;
  for (const block of content) {
    if (!isObject(block)) continue;
    if (block['type'] === 'image' || block['type'] === 'document') count++;
    else if (block['type'] === 'tool_result') count += countMedia(block['content']);
  }
  return count;
}

/** See `ChatCodec.envelope`. `max_tokens` may be absent: the gateway has a default for it. */
export function decodeEnvelope(body: JsonObject): Envelope {
  const model = requiredString(body, 'model');
  let media = 0;
  for (const message of messagesOf(body)) media += isObject(message) ? countMedia(message['content']) : 0;
  const maxOutputTokens = optionalNumber(body, 'max_tokens', { min: 0, integer: true });
  return {
    model,
    stream: optionalBoolean(body, 'stream') ?? false,
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    choices: 1,
    includeUsage: false,
    tools: optionalArray(body, 'tools')?.length ?? 0,
    media,
  };
}

function contentParts(content: Json | undefined, path: string): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (Array.isArray(content)) return decodeBlocks(content, path);
  throw badRequest(path, `\`${path}\` must be a string or an array of blocks.`);
}

const ROLES: ReadonlySet<string> = new Set(['user', 'assistant', 'system']);
const MESSAGE_FIELDS: ReadonlySet<string> = new Set(['role', 'content']);

function decodeMessage(raw: Json, index: number): Message {
  const path = at('messages', index);
  const message = objectAt(raw, path);
  const role = requiredString(message, 'role', path);
  if (!ROLES.has(role)) {
    throw badRequest(at(path, 'role'), `\`${at(path, 'role')}\` must be "user", "assistant" or "system".`);
  }
  const rest = unknownFields(message, MESSAGE_FIELDS);
  return {
    role: role as Message['role'],
    parts: contentParts(message['content'], at(path, 'content')),
    ...(rest === undefined ? {} : { extensions: { [FORMAT]: rest } }),
  };
}

/** Tool results first, in the order of the calls they answer. */
function resultsFirst(parts: readonly Part[], calls: readonly string[]): readonly Part[] {
  const results = parts.filter((part): part is ToolResultPart => part.type === 'tool_result');
  if (results.length === 0) return parts;
  const rank = (id: string) => (calls.includes(id) ? calls.indexOf(id) : calls.length);
  results.sort((a, b) => rank(a.callId) - rank(b.callId));
  return [...results, ...parts.filter((part) => part.type !== 'tool_result')];
}

/** Brings the results of one assistant turn into one user message (the contract of `Message`). */
function groupResults(messages: readonly Message[]): readonly Message[] {
  const out: Message[] = [];
  let calls: string[] = [];
  for (const message of messages) {
    if (message.role === 'assistant') {
      calls = message.parts.flatMap((part) => (part.type === 'tool_call' ? [part.id] : []));
    }
    const before = out.at(-1);
    const hasResults = message.parts.some((part) => part.type === 'tool_result');
    if (message.role !== 'user' || !hasResults) {
      out.push(message);
      continue;
    }
    const joins = before?.role === 'user' && before.parts.every((part) => part.type === 'tool_result');
    if (joins) out.pop();
    const parts = joins ? [...before.parts, ...message.parts] : message.parts;
    out.push({ ...message, parts: resultsFirst(parts, calls) });
  }
  return out;
}

/** Gives each tool result the name of the call it answers. */
function nameResults(messages: readonly Message[]): readonly Message[] {
  const names = new Map<string, string>();
  return messages.map((message) => {
    let named = false;
    const parts = message.parts.map((part) => {
      if (part.type === 'tool_call') names.set(part.id, part.name);
      if (part.type !== 'tool_result') return part;
      const name = names.get(part.callId);
      if (name === undefined) return part;
      named = true;
      return { ...part, name };
    });
    return named ? { ...message, parts } : message;
  });
}

const isEmptyList = (value: Json) => Array.isArray(value) && value.length === 0;

function decodeMessages(body: JsonObject): readonly Message[] {
  const turns = groupResults(messagesOf(body).map(decodeMessage));
  const { system } = body;
  const lead: Message[] =
    system === undefined || system === null || system === '' || isEmptyList(system)
      ? []
      : [{ role: 'system', parts: contentParts(system, 'system') }];
  return [...lead, ...nameResults(turns)];
}

function decodeStop(body: JsonObject): readonly string[] | undefined {
  const stop = optionalArray(body, 'stop_sequences');
  stop?.forEach((value, index) => {
    const path = at('stop_sequences', index);
    if (typeof value !== 'string') throw badRequest(path, `\`${path}\` must be a string.`);
  });
  return stop as readonly string[] | undefined;
}

function decodeSampling(body: JsonObject): ChatRequest['sampling'] {
  const temperature = optionalNumber(body, 'temperature', { min: 0, max: 1 });
  const topP = optionalNumber(body, 'top_p', { min: 0, max: 1 });
  const topK = optionalNumber(body, 'top_k', { min: 0, integer: true });
  return {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(topK === undefined ? {} : { topK }),
  };
}

/** Anthropic's tier words in canonical (OpenAI's) ones. */
function decodeTierRequest(body: JsonObject): string | undefined {
  const tier = optionalString(body, 'service_tier');
  return tier === 'standard_only' ? 'default' : tier;
}

/** See `ChatCodec.decodeRequest`. Serves versions 2023-06-01 and 2026-10-21 alike (WIRE §3.1). */
export function decodeRequest(body: JsonObject): ChatRequest {
  const maxOutputTokens = optionalNumber(body, 'max_tokens', { min: 0, integer: true });
  const stop = decodeStop(body);
  const metadata = optionalObject(body, 'metadata');
  const user = metadata === undefined ? undefined : optionalString(metadata, 'user_id', 'metadata');
  const reasoning = decodeReasoning(body);
  const output = decodeOutput(body);
  const serviceTier = decodeTierRequest(body);
  const otherMetadata = metadata === undefined ? undefined : unknownFields(metadata, new Set(['user_id']));
  const kept: JsonObject = {
    ...unknownFields(body, KNOWN),
    ...reasoning.kept,
    ...(output.kept === undefined ? {} : { output_config: { ...output.kept, ...reasoning.effortOnly } }),
    ...(output.kept === undefined && reasoning.effortOnly !== undefined
      ? { output_config: reasoning.effortOnly }
      : {}),
    ...(otherMetadata === undefined ? {} : { metadata: otherMetadata }),
  };
  return {
    model: requiredString(body, 'model'),
    messages: decodeMessages(body),
    tools: decodeTools(body),
    ...decodeToolChoice(body),
    sampling: decodeSampling(body),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    ...(stop === undefined || stop.length === 0 ? {} : { stop }),
    output: output.shape,
    ...(reasoning.request === undefined ? {} : { reasoning: reasoning.request }),
    stream: optionalBoolean(body, 'stream') ?? false,
    includeUsage: false,
    ...(user === undefined ? {} : { user }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(Object.keys(kept).length === 0 ? {} : { extensions: { [FORMAT]: kept } }),
  };
}
