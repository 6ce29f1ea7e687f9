import { UnreadableSettings } from './tool.ts';

/** A JSON object, nested as settings files are. */
export interface JsonObject {
  [name: string]: unknown;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object of a settings file; an empty one for an empty text. Throws {@link UnreadableSettings}. */
export function readObject(text: string): JsonObject {
  if (text.trim() === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new UnreadableSettings('is not plain JSON (a comment or a comma too many?)');
  }
  if (!isObject(parsed)) throw new UnreadableSettings('is no JSON object');
  return parsed;
}

/** The object as text, indented as `like` is. */
export function writeObject(object: JsonObject, like: string): string {
  const [, indent = '  '] = /^[{[]\r?\n([ \t]+)"/.exec(like.trimStart()) ?? [];
  return `${JSON.stringify(object, null, indent)}\n`;
}

/** The value at a path; `undefined` where there is none. */
export function valueAt(object: JsonObject, path: readonly string[]): unknown {
  let value: unknown = object;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/**
 * Sets the value at a path, making the objects on the way; `undefined` takes it away, and objects that are left empty by
 * that. Throws {@link UnreadableSettings} where something else than an object stands on the way.
 */
export function setAt(object: JsonObject, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path;
  if (name === undefined) return;
  if (rest.length === 0) {
    if (value === undefined) delete object[name];
    else object[name] = value;
    return;
  }
  const inner = object[name] ?? (value === undefined ? undefined : {});
  if (inner === undefined) return;
  if (!isObject(inner)) throw new UnreadableSettings(`holds something else than an object as \`${name}\``);
  setAt(inner, rest, value);
  if (value === undefined && Object.keys(inner).length === 0) delete object[name];
  else object[name] = inner;
}
