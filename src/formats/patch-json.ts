import { endOfString } from './json-scan.ts';

/** A span of bytes, end exclusive. */
interface Span {
  readonly from: number;
  readonly to: number;
}

const QUOTE = 0x22;

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

/** Index after the JSON value that starts at `from`. */
function skipValue(bytes: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      if (depth === 0) return at;
      continue;
    }
    if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === 0x2c || isSpace(byte))) return at;
    at++;
  }
  return at;
}

/**
 * Where the value of each top-level `key` lies in a JSON object's bytes; several spans when the key is repeated. The
 * bytes must be valid JSON: callers have parsed them already.
 */
export function topLevelValues(bytes: Buffer, key: string): readonly Span[] {
  const name = Buffer.from(JSON.stringify(key));
  const found: Span[] = [];
  let at = skipSpace(bytes, skipSpace(bytes, 0) + 1);
  while (at < bytes.length && bytes[at] === QUOTE) {
    const keyEnd = endOfString(bytes, at);
    const same = keyEnd - at === name.length && bytes.compare(name, 0, name.length, at, keyEnd) === 0;
    const from = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    const to = skipValue(bytes, from);
    if (same) found.push({ from, to });
    at = skipSpace(bytes, to);
    if (bytes[at] !== 0x2c) break;
    at = skipSpace(bytes, at + 1);
  }
  return found;
}

/**
 * Sets top-level fields of a JSON object in its bytes, everything else untouched. Values are JSON text. A field that is
 * not there is put in front.
 */
export function patchTopLevel(bytes: Buffer, fields: Readonly<Record<string, string>>): Buffer {
  const edits: { span: Span; text: string }[] = [];
  let added = '';
  for (const [key, text] of Object.entries(fields)) {
    const spans = topLevelValues(bytes, key);
    if (spans.length === 0) added += `${JSON.stringify(key)}:${text},`;
    for (const span of spans) edits.push({ span, text });
  }
  edits.sort((a, b) => a.span.from - b.span.from);
  const pieces: Buffer[] = [];
  let at = 0;
  if (added !== '') {
    at = skipSpace(bytes, 0) + 1;
    const empty = bytes[skipSpace(bytes, at)] === 0x7d;
    pieces.push(bytes.subarray(0, at), Buffer.from(empty ? added.slice(0, -1) : added));
  }
  for (const { span, text } of edits) {
    pieces.push(bytes.subarray(at, span.from), Buffer.from(text));
    at = span.to;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
