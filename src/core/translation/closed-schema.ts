import { isObject, type Json, type JsonObject } from '../model/index.ts';

/*
 * Structured output at Anthropic, and on Bedrock, takes a part of JSON Schema: every object closed, no limits on numbers or
 * lengths, no recursion; anything else is a 400. Source: Anthropic's documentation, "Structured outputs", section "JSON
 * Schema limitations", and the official SDK's `transformJSONSchema`.
 */

/** Limits it does not take; they are said in the description instead. */
const LIMITS = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
]);

/** Keywords of other vendors' dialects that admit the same values without them. */
const SILENT = new Set(['$schema', 'propertyOrdering', 'example', 'examples']);

const FORMATS = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);

/** Keywords whose value is a map of schemas, and those whose value is a list of them. */
const MAPS = new Set(['properties', '$defs', 'definitions']);
const LISTS = new Set(['anyOf', 'allOf']);

const MAX_DEPTH = 64;

/** An object whose members have names of their own: closing it would leave nothing of it. */
class OpenObject extends Error {}

function isObjectType({ type, properties }: JsonObject): boolean {
  const named = Array.isArray(type) ? type.includes('object') : type === 'object';
  return named || (type === undefined && isObject(properties));
}

function isSaid(key: string, value: Json): boolean {
  if (key === 'minItems') return value !== 0 && value !== 1;
  if (key === 'format') return typeof value === 'string' && !FORMATS.has(value);
  return LIMITS.has(key);
}

function closedAll(value: Json | undefined, depth: number): Json {
  if (Array.isArray(value)) return value.map((entry) => closed(entry, depth));
  if (!isObject(value)) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, closed(entry, depth)]));
}

function closed(schema: Json | undefined, depth: number): Json {
  if (!isObject(schema)) return schema ?? null;
  if (depth > MAX_DEPTH) throw new OpenObject();
  const out: JsonObject = {};
  const said: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (value === undefined || SILENT.has(key)) continue;
    if (isSaid(key, value)) said.push(`${key}: ${JSON.stringify(value)}`);
    else if (MAPS.has(key) || LISTS.has(key)) out[key] = closedAll(value, depth + 1);
    else if (key === 'oneOf' && schema['anyOf'] === undefined) out['anyOf'] = closedAll(value, depth + 1);
    else if (key === 'items') out[key] = closed(value, depth + 1);
    else out[key] = value;
  }
  if (said.length > 0) {
    const { description } = schema;
    const before = typeof description === 'string' && description !== '' ? `${description} ` : '';
    out['description'] = `${before}(${said.join(', ')})`;
  }
  if (isObjectType(schema)) {
    const { additionalProperties, properties } = schema;
    const isMap = additionalProperties !== undefined && additionalProperties !== false;
    const hasNames = isObject(properties) && Object.keys(properties).length > 0;
    if (isMap || (additionalProperties === undefined && !hasNames)) throw new OpenObject();
    out['additionalProperties'] = false;
  }
  return out;
}

/** Names of definitions that a schema refers to. */
function references(schema: Json | undefined, into: Set<string>): Set<string> {
  if (Array.isArray(schema)) for (const entry of schema) references(entry, into);
  else if (isObject(schema)) {
    if (typeof schema['$ref'] === 'string') into.add(schema['$ref']);
    for (const value of Object.values(schema)) references(value, into);
  }
  return into;
}

/** Whether following the references of `schema` comes back to where it began. */
function isRecursive(schema: JsonObject): boolean {
  const definitions = new Map<string, Set<string>>();
  for (const key of ['$defs', 'definitions']) {
    const named = schema[key];
    if (!isObject(named)) continue;
    for (const [name, value] of Object.entries(named)) {
      definitions.set(`#/${key}/${name}`, references(value, new Set()));
    }
  }
  if (references(schema, new Set()).has('#')) return true;
  const reaches = (from: string, goal: string, seen: Set<string>): boolean => {
    for (const next of definitions.get(from) ?? []) {
      if (next === goal) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      if (reaches(next, goal, seen)) return true;
    }
    return false;
  };
  return [...definitions.keys()].some((name) => reaches(name, name, new Set()));
}

/**
 * A schema as Anthropic's structured output takes it: objects closed, limits it does not know moved into descriptions,
 * everything else as it was. `undefined` where the schema cannot be said so without losing values: objects with free
 * names, recursion.
 */
export function toClosedSchema(schema: JsonObject): JsonObject | undefined {
  if (isRecursive(schema)) return undefined;
  try {
    return closed(schema, 0) as JsonObject;
  } catch (error) {
    if (error instanceof OpenObject) return undefined;
    throw error;
  }
}
