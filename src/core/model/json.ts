/** A JSON value. Numbers that a double cannot hold are kept as `JSON.rawJSON` objects, see {@link parseJson}. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

/** A JSON object. Never merged into another object by key, so a key named `__proto__` stays data. */
export type JsonObject = { [key: string]: Json | undefined };

/** True for a plain JSON object (not null, not an array). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
