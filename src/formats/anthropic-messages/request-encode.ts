import { type ChatRequest, isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import type { EncodedRequest, Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { type Carried, type Dropped, noteUncarried } from '../uncarried.ts';
import { encodeMessages } from './messages-encode.ts';
import { FORMAT } from './names.ts';
import { Notes } from './notes.ts';
import type { Encoding } from './parts-encode.ts';
import { encodeLimits, encodeSampling, encodeStop, encodeTier, keptObject } from './settings-encode.ts';
import { encodeTools } from './tools-encode.ts';

/** Most `cache_control` marks Anthropic takes (WIRE §2.1). */
const MAX_MARKS = 4;

/** What this format has fields for; the rest is named in `dropped`. */
const CARRIED: Carried = {
  format: FORMAT,
  sampling: new Set(['temperature', 'topP', 'topK']),
  fields: new Set(['parallelToolCalls', 'user', 'serviceTier']),
};

function gatherMarks(value: Json | undefined, found: JsonObject[]): void {
  if (!Array.isArray(value)) return;
  for (const block of value) {
    if (!isObject(block)) continue;
    if (block['type'] === 'tool_result') gatherMarks(block['content'], found);
    if (isObject(block['cache_control'])) found.push(block);
  }
}

/** Keeps the first mark, which covers tools or system prompt, and the last ones, which cover the newest turns. */
function limitMarks(body: JsonObject, notes: Notes): void {
  const found: JsonObject[] = [];
  gatherMarks(body['tools'], found);
  gatherMarks(body['system'], found);
  for (const message of body['messages'] as JsonObject[]) gatherMarks(message['content'], found);
  const most = MAX_MARKS - (isObject(body['cache_control']) ? 1 : 0);
  if (found.length <= most) return;
  notes.add(`cache marks (${found.length - most} of ${found.length})`);
  for (const block of found.slice(1, found.length - most + 1)) delete block['cache_control'];
}

function systemField(blocks: readonly JsonObject[]): Json | undefined {
  const [only] = blocks;
  if (only === undefined) return undefined;
  const isPlain = blocks.length === 1 && only['type'] === 'text' && Object.keys(only).length === 2;
  return isPlain ? only['text'] : [...blocks];
}

/** Extensions that have already been worked into a field of the canonical model. */
const MERGED: ReadonlySet<string> = new Set(['thinking', 'output_config', 'metadata']);

function ownFields(request: ChatRequest): JsonObject {
  const own: JsonObject = {};
  for (const [key, value] of Object.entries(request.extensions?.[FORMAT] ?? {})) {
    if (!MERGED.has(key)) own[key] = value;
  }
  return own;
}

function outputConfig(
  request: ChatRequest,
  format: JsonObject | undefined,
  effort: string | undefined,
): JsonObject {
  return compact({ ...keptObject(request, 'output_config'), effort, format });
}

/** See `ChatCodec.encodeRequest`; rules in WIRE §2.1, column Anth. */
export function encodeRequest(request: ChatRequest, target: Target): EncodedRequest {
  const uncarried: Dropped = new Set();
  noteUncarried(request, CARRIED, uncarried);
  const notes = new Notes();
  notes.addAll(uncarried);
  const encoding: Encoding = { request, target, notes };
  const { tools, choice, forced, format, instruction } = encodeTools(encoding);
  const limits = encodeLimits(encoding, forced);
  const { system, messages } = encodeMessages(encoding, instruction);
  const settings = outputConfig(request, format, limits.effort);
  const metadata = compact({ ...keptObject(request, 'metadata'), user_id: request.user });
  const stop = encodeStop(encoding);
  const body = compact({
    ...ownFields(request),
    model: target.model,
    max_tokens: limits.maxTokens,
    system: systemField(system),
    messages,
    tools: tools.length === 0 ? undefined : [...tools],
    tool_choice: choice,
    thinking: limits.thinking,
    output_config: Object.keys(settings).length === 0 ? undefined : settings,
    ...encodeSampling(encoding, limits.thinks),
    stop_sequences: stop === undefined ? undefined : [...stop],
    service_tier: encodeTier(encoding),
    metadata: Object.keys(metadata).length === 0 ? undefined : metadata,
    stream: request.stream ? true : undefined,
  });
  for (const field of target.quirks.refusedFields ?? []) {
    if (body[field] === undefined) continue;
    delete body[field];
    notes.add(field);
  }
  limitMarks(body, notes);
  return { body, dropped: notes.list() };
}
