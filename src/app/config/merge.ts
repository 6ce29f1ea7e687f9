import { type ConfigPath, isMap } from './paths.ts';

/** One layer of configuration. `nameOf` says where a value of this layer comes from. */
export interface Layer {
  readonly tree: unknown;
  nameOf(path: ConfigPath): string;
}

/**
 * Lays `over` on `base` by the rules of JSON Merge Patch (RFC 7396): maps merge key by key, `null` removes a key, and
 * everything else, lists included, replaces what was there. Neither input is changed.
 */
export function mergePatch(base: unknown, over: unknown): unknown {
  if (!isMap(over)) return over;
  const merged = new Map<string, unknown>(isMap(base) ? Object.entries(base) : []);
  for (const [key, value] of Object.entries(over)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return fromEntries(merged);
}

/** The topmost layer that says something at this path or replaces a value that holds it; `undefined` for none. */
export function layerOf(layers: readonly Layer[], path: ConfigPath): Layer | undefined {
  return layers.findLast((layer) => speaksAt(layer.tree, path));
}

function speaksAt(tree: unknown, path: ConfigPath): boolean {
  let value = tree;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return true;
    if (!Object.hasOwn(value, part)) return Array.isArray(value);
    value = (value as Record<string | number, unknown>)[part];
  }
  return path.length > 0;
}

/** `Object.fromEntries` that keeps a key called `__proto__` a plain key. */
function fromEntries(entries: Iterable<[string, unknown]>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return out;
}

/** Puts a value at a path of maps, making the maps on the way. */
export function placeAt(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

/** Freezes a value and everything in it; returns the same value. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
