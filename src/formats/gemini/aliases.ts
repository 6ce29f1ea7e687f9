import { badRequest } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { optionalObject } from '../fields.ts';

function camel(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/**
 * One level of keys in Google's JSON spelling. Google's parser takes each field as `camelCase` or as the
 * proto's `snake_case` (protobuf JSON mapping); the camelCase one wins if both are there. Only call it on
 * messages of the protocol, never on the user's own objects (arguments, schemas, labels). Returns `body`
 * itself if nothing changes.
 */
export function camelKeys(body: JsonObject): JsonObject {
  const keys = Object.keys(body);
  if (!keys.some((key) => key.includes('_'))) return body;
  const out = Object.create(null) as JsonObject;
  for (const key of keys) {
    const spelled = camel(key);
    if (spelled === key || body[spelled] === undefined) out[spelled] = body[key];
  }
  return out;
}

/**
 * Refuses a field that is there in both spellings: parsers differ in which one they take, and a limit that is read here must be the
 * one that is kept there. Throws `bad_request`.
 */
export function refuseTwice(body: JsonObject, path = ''): void {
  for (const key of Object.keys(body)) {
    if (!key.includes('_')) continue;
    const spelled = camel(key);
    if (spelled === key || body[spelled] === undefined) continue;
    throw badRequest(
      `${path}${key}`,
      `\`${path}${key}\` and \`${path}${spelled}\` are one field: send it once.`,
    );
  }
}

/** A message of the protocol under one key, its keys respelled; `undefined` if it is not an object. */
export function messageAt(body: JsonObject, key: string): JsonObject | undefined {
  const value = body[key];
  return isObject(value) ? camelKeys(value) : undefined;
}

/**
 * Like {@link messageAt} for a client's body: throws `bad_request` naming the field if it is something else.
 */
export function requestMessage(body: JsonObject, key: string, path = ''): JsonObject | undefined {
  const value = optionalObject(body, key, path);
  return value === undefined ? undefined : camelKeys(value);
}

/** A repeated field: Google also takes a single element without its array, as its own curl examples show. */
export function listOf(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** The value if it is an object, else `undefined`. */
export function asObject(value: Json | undefined): JsonObject | undefined {
  return isObject(value) ? value : undefined;
}

/** The value if it is a string, else `undefined`. */
export function asString(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
