import type { Json } from './json.ts';

/**
 * A number that a double may not hold exactly: 16 digits or more, or an exponent. Looked for only where a number can stand,
 * so that ids and hashes inside strings rarely take the exact path.
 */
const MAY_LOSE = /(?:^|[[,:])\s*-?(?:(?=\d{16}|[\d.]{17})|\d+(?:\.\d+)?[eE])/;

interface Source {
  readonly source: string;
}

/** `JSON.rawJSON` (ECMAScript 2026); its objects stringify to exactly their text. */
const rawJson = (JSON as unknown as { rawJSON(text: string): Json }).rawJSON;

function keepExact(this: unknown, _key: string, value: unknown, context?: Source): unknown {
  if (typeof value !== 'number' || context === undefined) return value;
  return String(value) === context.source ? value : rawJson(context.source);
}

/**
 * Parses JSON without losing numbers: one that a double cannot print back unchanged becomes a `JSON.rawJSON` object, so
 * that `JSON.stringify` writes the original digits. Tool arguments pass through here (WIRE §2.1 "arguments").
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): Json {
  if (!MAY_LOSE.test(text)) return JSON.parse(text) as Json;
  return JSON.parse(text, keepExact as (this: unknown, key: string, value: unknown) => unknown) as Json;
}

/** A number that {@link parseJson} kept as raw text, as a double; other values unchanged. */
export function toNumber(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const isRaw = (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON;
  return isRaw(value) ? Number((value as { rawJSON: string }).rawJSON) : value;
}
