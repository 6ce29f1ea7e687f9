import { isObject, type Json, type JsonObject } from '../model/index.ts';
import { toNumber } from '../model/parse-json.ts';

/** A schema in the OpenAPI subset. */
export interface SubsetSchema {
  readonly schema: JsonObject;
  /** What the subset could not say, each once, for example `oneOf`; empty when it admits the same values. */
  readonly loosened: readonly string[];
}

/** Most nodes of a result: `$ref`s that share subtrees could otherwise grow it without bound. */
const MAX_NODES = 5_000;
const MAX_DEPTH = 64;

/** Keywords of Google's `Schema` that JSON Schema spells and means alike. */
const KEPT = [
  'title',
  'description',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'minLength',
  'maxLength',
  'pattern',
  'default',
  'minimum',
  'maximum',
  'required',
  'propertyOrdering',
];

/** Keywords that say nothing about which values are allowed, or that are handled on their own. */
const SILENT = new Set([
  ...KEPT,
  '$schema',
  '$id',
  '$defs',
  'definitions',
  '$comment',
  '$ref',
  '$anchor',
  'type',
  'nullable',
  'enum',
  'const',
  'format',
  'items',
  'properties',
  'anyOf',
  'oneOf',
  'allOf',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'exclusiveMinimum',
  'exclusiveMaximum',
]);

/** Formats that Google accepts, by type; others are answered with a 400. */
const FORMATS: Readonly<Record<string, readonly string[]>> = {
  string: ['enum', 'date-time'],
  number: ['float', 'double'],
  integer: ['int32', 'int64'],
};

class Reducer {
  readonly #root: JsonObject;
  readonly #loosened = new Set<string>();
  #nodes = 0;

  constructor(root: JsonObject) {
    this.#root = root;
  }

  get loosened(): readonly string[] {
    return [...this.#loosened];
  }

  /** `trail` holds the `$ref`s being expanded: one that comes back is a recursion the subset cannot express. */
  reduce(value: Json | undefined, trail: readonly string[], depth: number): JsonObject {
    if (!isObject(value)) {
      if (value === false) this.#loosened.add('false');
      return {};
    }
    if (++this.#nodes > MAX_NODES || depth > MAX_DEPTH) {
      this.#loosened.add('depth');
      return { type: 'object' };
    }
    const ref = value['$ref'];
    if (typeof ref === 'string') return this.#resolve(ref, value, { trail, depth });
    const schema = this.#mergeAll(value, trail);
    const out: JsonObject = {};
    for (const key of KEPT) if (schema[key] !== undefined) out[key] = schema[key];
    this.#types(schema, out);
    this.#values(schema, out);
    this.#bounds(schema, out);
    this.#children(schema, out, { trail, depth });
    this.#note(schema);
    return out;
  }

  #resolve(
    ref: string,
    site: JsonObject,
    at: { readonly trail: readonly string[]; readonly depth: number },
  ): JsonObject {
    const { $ref: _, ...beside } = site;
    if (at.trail.includes(ref)) {
      this.#loosened.add('recursive $ref');
      return {
        type: 'object',
        ...(typeof site['description'] === 'string' ? { description: site['description'] } : {}),
      };
    }
    const target = lookUp(this.#root, ref);
    if (target === undefined) {
      this.#loosened.add('$ref');
      return this.reduce(beside, at.trail, at.depth + 1);
    }
    return this.reduce({ ...target, ...beside }, [...at.trail, ref], at.depth + 1);
  }

  /** `allOf` of objects becomes one object; anything that cannot be joined is left out. */
  #mergeAll(schema: JsonObject, trail: readonly string[]): JsonObject {
    const list = schema['allOf'];
    if (!Array.isArray(list)) return schema;
    const { allOf: _, ...merged } = schema as JsonObject & { allOf: Json };
    for (const entry of list) {
      let piece = isObject(entry) ? entry : undefined;
      const ref = piece?.['$ref'];
      if (typeof ref === 'string') piece = trail.includes(ref) ? undefined : lookUp(this.#root, ref);
      if (piece === undefined) {
        this.#loosened.add('allOf');
        continue;
      }
      for (const [key, value] of Object.entries(piece)) this.#join(merged, key, value);
    }
    return merged;
  }

  #join(merged: JsonObject, key: string, value: Json | undefined): void {
    const before = merged[key];
    if (before === undefined) merged[key] = value;
    else if (key === 'properties' && isObject(before) && isObject(value))
      merged[key] = { ...before, ...value };
    else if (key === 'required' && Array.isArray(before) && Array.isArray(value)) {
      merged[key] = [...new Set([...before, ...value])];
    } else if (JSON.stringify(before) !== JSON.stringify(value) && key !== 'description' && key !== 'title') {
      this.#loosened.add('allOf');
    }
  }

  #types(schema: JsonObject, out: JsonObject): void {
    const { type } = schema;
    if (schema['nullable'] === true) out['nullable'] = true;
    if (typeof type === 'string') {
      out['type'] = type.toLowerCase();
      return;
    }
    if (!Array.isArray(type)) return;
    const words = type.filter((word): word is string => typeof word === 'string' && word !== 'null');
    if (words.length < type.length) out['nullable'] = true;
    if (words.length === 1) out['type'] = words[0]?.toLowerCase();
    else if (words.length > 1) out['anyOf'] = words.map((word) => ({ type: word.toLowerCase() }));
  }

  /** `enum` holds strings only in this subset; a numeric constant is a range of one. */
  #values(schema: JsonObject, out: JsonObject): void {
    const constant = schema['const'];
    const given = constant === undefined ? schema['enum'] : [constant];
    const { format } = schema;
    if (typeof format === 'string') {
      if (FORMATS[String(out['type'])]?.includes(format)) out['format'] = format;
      else this.#loosened.add('format');
    }
    if (!Array.isArray(given)) return;
    const values = given.filter((value) => value !== null);
    if (values.length < given.length) out['nullable'] = true;
    const number = toNumber(values[0]);
    if (values.length > 0 && values.every((value) => typeof value === 'string')) {
      out['type'] ??= 'string';
      out['enum'] = values;
    } else if (values.length === 1 && typeof number === 'number') {
      out['type'] ??= 'number';
      out['minimum'] = out['maximum'] = number;
    } else if (values.length > 0) {
      if (typeof values[0] === 'boolean') out['type'] ??= 'boolean';
      this.#loosened.add(constant === undefined ? 'enum' : 'const');
    }
  }

  #bounds(schema: JsonObject, out: JsonObject): void {
    for (const [key, kept, step] of [
      ['exclusiveMinimum', 'minimum', 1],
      ['exclusiveMaximum', 'maximum', -1],
    ] as const) {
      const bound = toNumber(schema[key]);
      if (typeof bound !== 'number') continue;
      if (out['type'] === 'integer' && Number.isSafeInteger(bound)) out[kept] = bound + step;
      else {
        out[kept] ??= bound;
        this.#loosened.add(key);
      }
    }
  }

  #children(
    schema: JsonObject,
    out: JsonObject,
    at: { readonly trail: readonly string[]; readonly depth: number },
  ): void {
    const { properties, items } = schema;
    if (isObject(properties)) {
      out['properties'] = Object.fromEntries(
        Object.entries(properties).map(([name, value]) => [name, this.reduce(value, at.trail, at.depth + 1)]),
      );
      out['type'] ??= 'object';
    }
    if (Array.isArray(out['required'])) {
      const known = isObject(out['properties']) ? out['properties'] : {};
      const kept = out['required'].filter((name) => typeof name === 'string' && Object.hasOwn(known, name));
      if (kept.length < out['required'].length) this.#loosened.add('required');
      if (kept.length > 0) out['required'] = kept;
      else delete out['required'];
    }
    if (isObject(items)) out['items'] = this.reduce(items, at.trail, at.depth + 1);
    else if (Array.isArray(items)) this.#loosened.add('items');
    // An array without `items` is refused by name.
    if (out['type'] === 'array') out['items'] ??= {};
    this.#alternatives(schema, out, at);
  }

  #alternatives(
    schema: JsonObject,
    out: JsonObject,
    at: { readonly trail: readonly string[]; readonly depth: number },
  ): void {
    const word = Array.isArray(schema['anyOf']) ? 'anyOf' : 'oneOf';
    const list = schema[word];
    if (!Array.isArray(list)) return;
    if (word === 'oneOf') this.#loosened.add('oneOf');
    const rest = list.filter((entry) => !(isObject(entry) && entry['type'] === 'null'));
    if (rest.length < list.length) out['nullable'] = true;
    const reduced = rest.map((entry) => this.reduce(entry, at.trail, at.depth + 1));
    const only = reduced[0];
    if (reduced.length === 1 && only !== undefined) {
      for (const [key, value] of Object.entries(only)) out[key] ??= value;
    } else if (reduced.length > 1) out['anyOf'] = reduced;
  }

  /** `additionalProperties: false` needs no word: the subset only ever yields listed properties. */
  #note(schema: JsonObject): void {
    for (const key of Object.keys(schema)) {
      if (SILENT.has(key) || schema[key] === undefined) continue;
      if (key === 'additionalProperties' && typeof schema[key] === 'boolean') continue;
      this.#loosened.add(key);
    }
  }
}

/** A schema inside `root` by its JSON pointer (`#`, `#/$defs/Name`, RFC 6901). */
function lookUp(root: JsonObject, ref: string): JsonObject | undefined {
  if (!ref.startsWith('#')) return undefined;
  let node: Json | undefined = root;
  for (const token of ref.split('/').slice(1)) {
    let key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    try {
      key = decodeURIComponent(key);
    } catch {
      // A percent sign that is not an escape stands for itself.
    }
    if (isObject(node)) node = Object.hasOwn(node, key) ? node[key] : undefined;
    else if (Array.isArray(node)) node = node[Number(key)];
    else return undefined;
  }
  return isObject(node) ? node : undefined;
}

/**
 * A JSON Schema in the OpenAPI 3.0 subset of Gemini's `parameters` and `responseSchema`: `$ref` resolved,
 * `[x, null]` to `nullable`, `const` to `enum`, and without what the API refuses by name
 * (`additionalProperties`, `exclusiveMinimum`, …; WIRE §2.1 "schema subset"). `loosened` names what is now
 * less strict than asked.
 */
export function toOpenApiSubset(schema: JsonObject): SubsetSchema {
  const reducer = new Reducer(schema);
  const reduced = reducer.reduce(schema, [], 0);
  return { schema: reduced, loosened: reducer.loosened };
}

const COUNTS = new Set(['minItems', 'maxItems', 'minProperties', 'maxProperties', 'minLength', 'maxLength']);

/** Google's field names in the proto's spelling; property names are the user's and stay as they are. */
const SPELLING: Readonly<Record<string, string>> = {
  any_of: 'anyOf',
  min_items: 'minItems',
  max_items: 'maxItems',
  min_properties: 'minProperties',
  max_properties: 'maxProperties',
  min_length: 'minLength',
  max_length: 'maxLength',
  property_ordering: 'propertyOrdering',
};

function fromNode(schema: JsonObject, depth: number): JsonObject {
  const out: JsonObject = {};
  if (depth > MAX_DEPTH) return out;
  const child = (value: Json | undefined) => (isObject(value) ? fromNode(value, depth + 1) : value);
  for (const [written, value] of Object.entries(schema)) {
    const key = SPELLING[written] ?? written;
    if (key === 'nullable') continue;
    if (key === 'type' && typeof value === 'string') {
      if (value !== 'TYPE_UNSPECIFIED') out['type'] = value.toLowerCase();
    } else if (key === 'properties' && isObject(value)) {
      out[key] = Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, child(entry)]));
    } else if (key === 'items') out[key] = child(value);
    else if (key === 'anyOf' && Array.isArray(value)) out[key] = value.map((entry) => child(entry) ?? null);
    // Protobuf JSON writes 64-bit integers as strings.
    else if (COUNTS.has(key) && typeof value === 'string' && /^\d+$/.test(value)) out[key] = Number(value);
    else if (key === 'format' && value === 'enum') continue;
    else if (value !== undefined) out[key] = value;
  }
  return schema['nullable'] === true ? orNull(out) : out;
}

function orNull(schema: JsonObject): JsonObject {
  const { type, enum: values, anyOf } = schema;
  if (typeof type === 'string') {
    return {
      ...schema,
      type: [type, 'null'],
      ...(Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {}),
    };
  }
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...anyOf, { type: 'null' }] };
  return schema;
}

/**
 * The JSON Schema that an OpenAPI-subset schema means: lower-case types, `nullable` as a second type, counts as
 * numbers. The way back of {@link toOpenApiSubset}.
 */
export function fromOpenApiSubset(schema: JsonObject): JsonObject {
  return fromNode(schema, 0);
}
