import type { Dialect } from './wire.ts';

/** What a client read. */
export interface Transcript {
  /** Model output. */
  readonly text: string;
  /** How often the dialect's own word for a complete answer came (`[DONE]`, `message_stop`, a whole body). */
  readonly endings: number;
  readonly errors: number;
  /** What is against the dialect. */
  readonly faults: readonly string[];
}

interface Reading {
  text: string;
  endings: number;
  errors: number;
  readonly faults: string[];
}

interface Read {
  [name: string]: unknown;
}

function parse(text: string): Read | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? (value as Read) : undefined;
  } catch {
    return undefined;
  }
}

function chatData(data: string, into: Reading): void {
  if (data === '[DONE]') {
    into.endings++;
    return;
  }
  const chunk = parse(data);
  if (chunk === undefined) {
    into.faults.push(`an event that is no JSON: ${data.slice(0, 60)}`);
    return;
  }
  if (chunk['error'] !== undefined) into.errors++;
  for (const choice of (chunk['choices'] ?? []) as { delta?: { content?: string | null } }[]) {
    into.text += choice.delta?.content ?? '';
  }
}

function messageData(data: string, into: Reading): void {
  const event = parse(data);
  if (event === undefined) {
    into.faults.push(`an event that is no JSON: ${data.slice(0, 60)}`);
    return;
  }
  if (event['type'] === 'error') into.errors++;
  if (event['type'] === 'message_stop') into.endings++;
  if (event['type'] === 'content_block_delta') {
    into.text += (event['delta'] as { text?: string } | undefined)?.text ?? '';
  }
}

/** Reads a stream. A last event without its blank line is left out: an SSE client never sees it. */
export function readStream(dialect: Dialect, text: string): Transcript {
  const into: Reading = { text: '', endings: 0, errors: 0, faults: [] };
  const events = text.split('\n\n');
  const rest = events.pop() ?? '';
  if (rest.trim() !== '') into.faults.push(`an event without an end: ${rest.slice(0, 60)}`);
  for (const event of events) {
    const data = event
      .split('\n')
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trim())
      .join('\n');
    if (data === '') continue;
    if (into.errors > 0) into.faults.push('an event after the error event');
    if (into.endings > 0) into.faults.push('an event after the end of the answer');
    (dialect === 'openai-chat' ? chatData : messageData)(data, into);
  }
  return into;
}

/** Reads a whole answer of status 200. */
export function readWhole(dialect: Dialect, text: string): Transcript {
  const body = parse(text);
  if (body === undefined) return { text: '', endings: 0, errors: 0, faults: ['the answer is no JSON'] };
  if (body['error'] !== undefined)
    return { text: '', endings: 0, errors: 1, faults: ['an error with status 200'] };
  if (dialect === 'openai-chat') {
    const [choice] = (body['choices'] ?? []) as { message?: { content?: string } }[];
    return { text: choice?.message?.content ?? '', endings: 1, errors: 0, faults: [] };
  }
  const blocks = (body['content'] ?? []) as { text?: string }[];
  return { text: blocks.map((block) => block.text ?? '').join(''), endings: 1, errors: 0, faults: [] };
}

/** What is wrong with an error answer. */
export function errorFaults(dialect: Dialect, text: string): readonly string[] {
  const body = parse(text);
  const error = body?.['error'] as { message?: unknown } | undefined;
  if (typeof error?.message !== 'string')
    return [`the error is not in the client's dialect: ${text.slice(0, 80)}`];
  return dialect === 'anthropic-messages' && body?.['type'] !== 'error'
    ? ["the error is not in the client's dialect: type"]
    : [];
}
