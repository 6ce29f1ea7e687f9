import { isObject, type JsonObject } from '../../core/model/index.ts';
import { awsEventMessage, createAwsEventStreamReader } from '../../formats/aws-event-stream.ts';
import type { Framing } from '../../formats/frame.ts';
import type { Step } from './script.ts';

/** Changes one event's JSON; `undefined` drops the event. */
export type ChangeJson = (json: JsonObject) => JsonObject | undefined;

type Data = string | Uint8Array;

/** Bytes of a step. */
export function bytesOf(data: Data): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

/** Joins the pieces of a body. */
export function joinBytes(pieces: readonly Data[]): Uint8Array {
  const parts = pieces.map(bytesOf);
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function changeLine(line: string, change: ChangeJson): string | undefined {
  const json = parsed(line);
  if (json === undefined) return line;
  const changed = change(json);
  return changed === undefined ? undefined : JSON.stringify(changed);
}

/** The events of an SSE text, each with its blank line. */
export function sseEvents(text: string): string[] {
  return text.replaceAll('\r\n', '\n').match(/[\s\S]+?\n\n|[\s\S]+$/g) ?? [];
}

function changeSse(text: string, change: ChangeJson): string {
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  const events = sseEvents(text).map((event) => {
    let isDropped = false;
    const lines = event.split('\n').map((line) => {
      if (!line.startsWith('data: ')) return line;
      const changed = changeLine(line.slice(6), change);
      if (changed === undefined) isDropped = true;
      return `data: ${changed ?? ''}`;
    });
    return isDropped ? '' : lines.join(end);
  });
  return events.join('');
}

/** Rewrites the payload text of AWS frames, with checksums that fit; `undefined` drops a frame. */
export function changeAwsText(bytes: Uint8Array, change: (text: string) => string | undefined): Uint8Array {
  const frames = createAwsEventStreamReader().push(bytes);
  const written = frames.flatMap(({ event = '', data }) => {
    const changed = change(data);
    return changed === undefined ? [] : [awsEventMessage(event, changed)];
  });
  return joinBytes(written);
}

/** One element of a JSON array with the bracket or comma before it. */
function changeElement(text: string, change: ChangeJson): string {
  const match = /^(\s*[[,]?\s*)([\s\S]*?)(\s*\]?\s*)$/.exec(text);
  const [, before = '', middle = '', after = ''] = match ?? [];
  if (middle === '') return text;
  return before + (changeLine(middle, change) ?? '{}') + after;
}

/** Changes the JSON of every event in a piece of a stream. */
export function changeEvents(framing: Framing, data: Data, change: ChangeJson): Data {
  if (framing === 'aws-event-stream') return changeAwsText(bytesOf(data), (text) => changeLine(text, change));
  const text = typeof data === 'string' ? data : new TextDecoder().decode(data);
  if (framing === 'sse') return changeSse(text, change);
  if (framing === 'json-array') return changeElement(text, change);
  const lines = text.split('\n').flatMap((line) => (line === '' ? [''] : (changeLine(line, change) ?? [])));
  return lines.join('\n');
}

/** Applies a change to the data of every piece sent. */
export function* mapData(steps: Iterable<Step>, change: (data: Data) => Data): Generator<Step> {
  for (const step of steps) {
    if (step.do !== 'send') yield step;
    else yield { ...step, data: change(step.data) };
  }
}

/** The steps up to the one with which `percent` of the answer is out. */
export function* until(steps: Iterable<Step>, percent: number): Generator<Step> {
  const share = Math.min(100, percent) / 100;
  for (const step of steps) {
    if (step.do === 'end') return;
    // The terminators after the last word are part of what a broken stream lacks.
    if (step.do === 'send' && step.share !== undefined && step.share > share) return;
    yield step;
    if (step.do === 'send' && step.share === 1) return;
  }
}
