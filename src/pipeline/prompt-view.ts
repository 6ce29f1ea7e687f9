import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import { Fingerprint } from '../core/routing/decision/hash.ts';

/** What routing reads of a chat request in its client's dialect, without decoding all of it. */
export interface PromptView {
  /** The last thing a person said. */
  readonly text: string;
  /** What was said before the model first spoke: names a conversation. */
  readonly opening: string;
  readonly system: string;
  readonly toolNames: readonly string[];
  readonly toolsHash: string;
  readonly toolResults: number;
  /** The model waits for nothing but its tools. */
  readonly toolLoop: boolean;
  readonly turns: number;
  /** Model calls per turn of a person so far, at least 1 and at most {@link MAX_CALLS}; two decimals. */
  readonly callsPerTurn: number;
  readonly output: 'text' | 'json_object' | 'json_schema';
  readonly reasoning: boolean;
}

/** Longest text handed on; the prompt model reads less. UTF-16 units. */
const MAX_TEXT = 8192;
/** Turns looked at from either end; longer conversations are told by both ends. */
const MAX_TURNS = 200;
const MAX_BLOCKS = 64;
const MAX_CALLS = 20;
const MAX_TOOLS = 128;
/** Values of tool definitions that go into their hash. */
const MAX_TOOL_VALUES = 400;

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function turnsOf(body: JsonObject): readonly Json[] {
  const given = body['messages'] ?? body['input'] ?? body['contents'] ?? body['prompt'];
  return typeof given === 'string' ? [{ role: 'user', content: given }] : listOf(given);
}

function blocksOf(turn: JsonObject): readonly Json[] {
  return listOf(turn['content'] ?? turn['parts']);
}

function textOf(turn: Json | undefined): string {
  if (typeof turn === 'string') return turn.slice(0, MAX_TEXT);
  if (!isObject(turn)) return '';
  const { content } = turn;
  if (typeof content === 'string') return content.slice(0, MAX_TEXT);
  let text = '';
  for (const block of blocksOf(turn).slice(-MAX_BLOCKS)) {
    const piece = typeof block === 'string' ? block : isObject(block) ? block['text'] : undefined;
    if (typeof piece === 'string') text += (text === '' ? '' : '\n') + piece;
    if (text.length >= MAX_TEXT) break;
  }
  return text.slice(0, MAX_TEXT);
}

function roleOf(turn: Json): string {
  const role = isObject(turn) ? turn['role'] : undefined;
  return typeof role === 'string' ? role : '';
}

function isModelTurn(turn: Json): boolean {
  const role = roleOf(turn);
  return role === 'assistant' || role === 'model' || (isObject(turn) && turn['type'] === 'function_call');
}

/** A tool's answer, however the dialect writes it. */
function isToolResult(turn: Json): boolean {
  if (!isObject(turn)) return false;
  const role = roleOf(turn);
  if (role === 'tool' || role === 'function') return true;
  const { type } = turn;
  if (typeof type === 'string' && type.endsWith('_call_output')) return true;
  return blocksOf(turn).some(
    (block) => isObject(block) && (block['type'] === 'tool_result' || 'functionResponse' in block),
  );
}

/** A model's turn that asked for tools and is still the last word. */
function isOpenCall(turn: Json): boolean {
  if (!isObject(turn)) return false;
  if (turn['type'] === 'function_call' || listOf(turn['tool_calls']).length > 0) return true;
  return blocksOf(turn).some(
    (block) => isObject(block) && (block['type'] === 'tool_use' || 'functionCall' in block),
  );
}

function systemOf(body: JsonObject, turns: readonly Json[]): string {
  const given = body['system'] ?? body['instructions'] ?? body['systemInstruction'];
  let text = Array.isArray(given) ? textOf({ content: given }) : textOf(given);
  for (const turn of turns.slice(0, MAX_BLOCKS)) {
    const role = roleOf(turn);
    if (role !== 'system' && role !== 'developer') break;
    text += textOf(turn);
  }
  return text;
}

function addJson(print: Fingerprint, value: Json | undefined, left: number): number {
  if (left <= 0) return 0;
  let rest = left - 1;
  if (typeof value === 'string') print.add(value);
  else if (Array.isArray(value)) for (const item of value) rest = addJson(print, item, rest);
  else if (isObject(value)) {
    for (const key in value) {
      if (rest <= 0) break;
      print.add(key);
      rest = addJson(print, value[key], rest);
    }
  }
  return rest;
}

function toolNamesOf(tools: readonly Json[]): readonly string[] {
  const names: string[] = [];
  for (const tool of tools.slice(0, MAX_TOOLS)) {
    if (!isObject(tool)) continue;
    const inner = isObject(tool['function']) ? tool['function'] : tool;
    const declared = listOf(tool['functionDeclarations'] ?? tool['function_declarations']);
    for (const one of declared.length > 0 ? declared : [inner]) {
      const name = isObject(one) ? (one['name'] ?? one['type']) : undefined;
      if (typeof name === 'string' && names.length < MAX_TOOLS) names.push(name.slice(0, 128));
    }
  }
  return names;
}

function inner(body: JsonObject, ...path: readonly string[]): Json | undefined {
  let found: Json | undefined = body;
  for (const key of path) found = isObject(found) ? found[key] : undefined;
  return found;
}

function outputOf(body: JsonObject): PromptView['output'] {
  const type = inner(body, 'response_format', 'type') ?? inner(body, 'text', 'format', 'type');
  const format =
    type ?? inner(body, 'output_config', 'format', 'type') ?? inner(body, 'output_format', 'type');
  if (format === 'json_schema' || format === 'json_object') return format;
  const settings = inner(body, 'generationConfig');
  if (inner(body, 'generationConfig', 'responseMimeType') !== 'application/json') return 'text';
  return isObject(settings) && ('responseSchema' in settings || 'responseJsonSchema' in settings)
    ? 'json_schema'
    : 'json_object';
}

function asksReasoning(body: JsonObject): boolean {
  const effort = body['reasoning_effort'] ?? inner(body, 'reasoning', 'effort');
  if (typeof effort === 'string') return effort !== 'none' && effort !== 'minimal';
  const thinking = inner(body, 'thinking', 'type');
  return thinking === 'enabled';
}

function openingOf(turns: readonly Json[]): string {
  let text = '';
  for (const turn of turns.slice(0, MAX_BLOCKS)) {
    if (isModelTurn(turn)) break;
    text += `${roleOf(turn)}\n${textOf(turn)}\n`;
  }
  return text;
}

/** Reads a request's body for routing. Never throws; bounded by counts and lengths, whatever the body's size. */
export function readPrompt(body: JsonObject): PromptView {
  const turns = turnsOf(body);
  const last = turns.at(-1);
  const tools = listOf(body['tools']);
  const print = new Fingerprint();
  addJson(print, body['tools'], MAX_TOOL_VALUES);
  let text = '';
  let toolResults = 0;
  let answers = 0;
  let people = 0;
  const least = Math.max(0, turns.length - MAX_TURNS);
  for (let at = turns.length - 1; at >= least; at--) {
    const turn = turns[at] as Json;
    const role = roleOf(turn);
    const person = role === 'user' || (typeof turn === 'string' && role === '');
    if (isToolResult(turn)) toolResults++;
    else if (isModelTurn(turn)) answers++;
    else if (person) {
      people++;
      if (text === '') text = textOf(turn);
    }
  }
  return {
    text,
    opening: openingOf(turns),
    system: systemOf(body, turns),
    toolNames: toolNamesOf(tools),
    toolsHash: print.toString(),
    toolResults,
    toolLoop: last !== undefined && (isToolResult(last) || isOpenCall(last)),
    turns: turns.length,
    // The turn that begins now has no calls yet.
    callsPerTurn:
      people < 2 ? 1 : Math.min(MAX_CALLS, Math.max(1, Math.round((answers / (people - 1)) * 100) / 100)),
    output: outputOf(body),
    reasoning: asksReasoning(body),
  };
}
