import { badRequest } from '../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import { toNumber } from '../core/model/parse-json.ts';

/*
 * Typed reads of a client's body. Each takes the field's path for the error and treats `null` like an absent field, as
 * the vendors do. All throw `bad_request` naming that path.
 */

/** `messages[2].content` from its pieces. */
export function at(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** An object that is not a long number kept as raw text (see `parseJson`). */
function isPlainObject(value: Json | undefined): value is JsonObject {
  return isObject(value) && toNumber(value) === value;
}

export function optionalString(body: JsonObject, key: string, path = ''): string | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw badRequest(at(path, key), `\`${at(path, key)}\` must be a string.`);
}

export function requiredString(body: JsonObject, key: string, path = ''): string {
  const value = optionalString(body, key, path);
  if (value === undefined)
    throw badRequest(at(path, key), `\`${at(path, key)}\` is required and must be a string.`);
  return value;
}

export function optionalBoolean(body: JsonObject, key: string, path = ''): boolean | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  throw badRequest(at(path, key), `\`${at(path, key)}\` must be true or false.`);
}

/** A finite number within `[min, max]`. */
export function optionalNumber(
  body: JsonObject,
  key: string,
  range: {
    readonly min?: number;
    readonly max?: number;
    readonly integer?: boolean;
    readonly path?: string;
  } = {},
): number | undefined {
  const value = toNumber(body[key]);
  if (value === undefined || value === null) return undefined;
  const name = at(range.path ?? '', key);
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw badRequest(name, `\`${name}\` must be a number.`);
  if (range.integer && !Number.isSafeInteger(value))
    throw badRequest(name, `\`${name}\` must be a whole number.`);
  if (range.min !== undefined && value < range.min)
    throw badRequest(name, `\`${name}\` must be at least ${range.min}.`);
  if (range.max !== undefined && value > range.max)
    throw badRequest(name, `\`${name}\` must be at most ${range.max}.`);
  return value;
}

export function optionalArray(body: JsonObject, key: string, path = ''): readonly Json[] | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value;
  throw badRequest(at(path, key), `\`${at(path, key)}\` must be an array.`);
}

export function optionalObject(body: JsonObject, key: string, path = ''): JsonObject | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (isPlainObject(value)) return value;
  throw badRequest(at(path, key), `\`${at(path, key)}\` must be an object.`);
}

/** An element of an array that must be an object. */
export function objectAt(value: Json | undefined, path: string): JsonObject {
  if (isPlainObject(value)) return value;
  throw badRequest(path, `\`${path}\` must be an object.`);
}

/** The fields of `body` that are not in `known`, or `undefined` when there are none. */
export function unknownFields(body: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let rest: JsonObject | undefined;
  for (const key of Object.keys(body)) {
    if (known.has(key) || body[key] === undefined) continue;
    rest ??= Object.create(null) as JsonObject;
    rest[key] = body[key];
  }
  return rest;
}

/** Copies `entries` without those that are `undefined`: wire bodies have no `undefined`. */
export function compact(entries: JsonObject): JsonObject {
  const body: JsonObject = {};
  for (const key of Object.keys(entries)) if (entries[key] !== undefined) body[key] = entries[key];
  return body;
}
