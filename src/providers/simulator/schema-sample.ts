import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import type { Dice } from './seed.ts';

/** Gives a value for a field from elsewhere (the prompt), or `undefined` to have one made up. */
export type Suggest = (name: string, schema: JsonObject) => Json | undefined;

interface Sampler {
  readonly root: JsonObject;
  readonly dice: Dice;
  readonly suggest: Suggest;
}

/** Below this depth only what is required is produced, so that recursive schemas end. */
const SHALLOW = 4;
const DEEPEST = 24;

function numberIn(schema: JsonObject, key: string): number | undefined {
  const value = toNumber(schema[key]);
  return typeof value === 'number' ? value : undefined;
}

function resolve(sampler: Sampler, schema: Json | undefined): JsonObject {
  let current: Json | undefined = schema;
  for (let hop = 0; hop < 16; hop++) {
    if (!isObject(current)) return {};
    const reference: Json | undefined = current['$ref'];
    if (typeof reference !== 'string' || !reference.startsWith('#')) break;
    let target: Json | undefined = sampler.root;
    for (const step of reference.slice(1).split('/').filter(Boolean)) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      if (Array.isArray(target)) target = target[Number(key)];
      else target = isObject(target) ? target[key] : undefined;
    }
    const { $ref: _, ...beside } = current;
    current = isObject(target) ? { ...target, ...beside } : beside;
  }
  return merged(sampler, isObject(current) ? current : {});
}

/** `allOf` folded into one object: properties and required lists join, other keywords of later ones win. */
function merged(sampler: Sampler, schema: JsonObject): JsonObject {
  const all = schema['allOf'];
  if (!Array.isArray(all)) return schema;
  const { allOf: _, ...rest } = schema;
  let result: JsonObject = rest;
  for (const entry of all) {
    const part = resolve(sampler, entry);
    const properties = { ...asObject(result['properties']), ...asObject(part['properties']) };
    const required = [...asArray(result['required']), ...asArray(part['required'])];
    result = { ...result, ...part };
    if (Object.keys(properties).length > 0) result['properties'] = properties;
    if (required.length > 0) result['required'] = required;
  }
  return result;
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function asArray(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function typeOf(schema: JsonObject): string {
  const type = schema['type'];
  const list = Array.isArray(type) ? type : [type];
  const named = list.find((entry) => typeof entry === 'string' && entry.toLowerCase() !== 'null');
  if (typeof named === 'string') return named.toLowerCase();
  if (list.some((entry) => entry === 'null')) return 'null';
  if ('properties' in schema || 'additionalProperties' in schema) return 'object';
  if ('items' in schema || 'prefixItems' in schema) return 'array';
  if ('minimum' in schema || 'maximum' in schema || 'multipleOf' in schema) return 'number';
  return 'string';
}

const FORMATS: Readonly<Record<string, string>> = {
  date: '2026-03-14',
  time: '09:30:00Z',
  'date-time': '2026-03-14T09:30:00Z',
  duration: 'PT1H30M',
  email: 'ada@example.com',
  uri: 'https://example.com/page',
  url: 'https://example.com/page',
  hostname: 'example.com',
  ipv4: '192.0.2.10',
  ipv6: '2001:db8::10',
  uuid: '3f2b8c1e-5d4a-4b6f-9a7c-1e2d3c4b5a69',
};

const WORDS = ['amber', 'harbour', 'lantern', 'meadow', 'quartz', 'river', 'summit', 'willow'] as const;

/** Values to try against a `pattern`; the first that matches is taken. */
function fromPattern(pattern: string, dice: Dice): string | undefined {
  let regex: RegExp;
  try {
    regex = new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
  const bare = pattern.replace(/^\^|\$$/g, '');
  const built = bare
    .replace(/\\d|\[0-9\]/g, '7')
    .replace(/\\w|\[[^\]]*a-z[^\]]*\]/g, 'a')
    .replace(/\[[^\]]*A-Z[^\]]*\]/g, 'A')
    .replace(/(.)\{(\d+)(?:,\d*)?\}/g, (_, char: string, count: string) => char.repeat(Number(count)))
    .replace(/(.)[+*?]/g, '$1')
    .replace(/\\(.)/g, '$1');
  const tries = [
    built,
    ...Object.values(FORMATS),
    ...WORDS,
    dice.word(8),
    'A',
    'a1',
    '12345',
    'AB-1234',
    '+49 30 123456',
  ];
  return tries.find((value) => regex.test(value));
}

function sampleString(schema: JsonObject, sampler: Sampler): string {
  const { format, pattern, description } = schema;
  if (typeof pattern === 'string') {
    const made = fromPattern(pattern, sampler.dice);
    if (made !== undefined) return made;
  }
  if (typeof format === 'string' && FORMATS[format] !== undefined) return FORMATS[format];
  let text: string = WORDS[sampler.dice.below(WORDS.length)] ?? 'amber';
  if (typeof description === 'string' && /sentence|summary|explan|text/i.test(description)) {
    text = `A ${text} seen from the ${WORDS[sampler.dice.below(WORDS.length)]} side.`;
  }
  const least = numberIn(schema, 'minLength') ?? 0;
  const most = numberIn(schema, 'maxLength') ?? Number.MAX_SAFE_INTEGER;
  while (text.length < least) text += ` ${WORDS[sampler.dice.below(WORDS.length)]}`;
  return least > 0 && text.length > most ? text.slice(0, Math.max(least, most)) : text.slice(0, most);
}

/** Moves a number into the schema's range and onto its step. */
export function fitNumber(schema: JsonObject, wish: number, isInteger: boolean): number {
  const step = numberIn(schema, 'multipleOf') ?? (isInteger ? 1 : 0);
  const gap = step > 0 ? step : 0.5;
  const above = numberIn(schema, 'exclusiveMinimum');
  const below = numberIn(schema, 'exclusiveMaximum');
  const least = Math.max(
    numberIn(schema, 'minimum') ?? -Infinity,
    above === undefined ? -Infinity : above + gap,
  );
  const most = Math.min(
    numberIn(schema, 'maximum') ?? Infinity,
    below === undefined ? Infinity : below - gap,
  );
  let value = Math.min(Math.max(wish, least), most);
  if (step > 0) {
    value = Math.round(value / step) * step;
    if (value < least) value += step;
    if (value > most) value -= step;
    value = Number(value.toFixed(10));
  }
  return value === 0 ? 0 : value;
}

function sampleArray(schema: JsonObject, sampler: Sampler, depth: number): Json[] {
  const prefix = asArray(schema['prefixItems']);
  const least = numberIn(schema, 'minItems') ?? 0;
  const most = numberIn(schema, 'maxItems') ?? Number.MAX_SAFE_INTEGER;
  const wish = depth > SHALLOW ? least : Math.max(least, prefix.length, 1 + sampler.dice.below(3));
  const count = Math.min(wish, most);
  const items: Json[] = [];
  const seen = new Set<string>();
  for (let tries = 0; items.length < count && tries < count * 8 + 8; tries++) {
    const inner = prefix[items.length] ?? schema['items'] ?? { type: 'string' };
    const value = sample(sampler, { schema: inner, name: '', depth: depth + 1 });
    const key = JSON.stringify(value);
    // A small enum may have nothing new to offer; then repetition is only allowed without `uniqueItems`.
    if (schema['uniqueItems'] === true && seen.has(key)) continue;
    seen.add(key);
    items.push(value);
  }
  return items;
}

function sampleObject(schema: JsonObject, sampler: Sampler, depth: number): JsonObject {
  const properties = asObject(schema['properties']);
  const required = new Set(asArray(schema['required']).filter((name) => typeof name === 'string'));
  const result: JsonObject = {};
  for (const [name, inner] of Object.entries(properties)) {
    const isNeeded = required.has(name) || depth === 0 || (depth < SHALLOW && sampler.dice.next() < 0.7);
    if (isNeeded) result[name] = sample(sampler, { schema: inner, name, depth: depth + 1 });
  }
  for (const name of required) {
    if (!Object.hasOwn(result, name)) {
      const inner = schema['additionalProperties'];
      result[name] = sample(sampler, { schema: isObject(inner) ? inner : {}, name, depth: depth + 1 });
    }
  }
  return result;
}

function chooseBranch(sampler: Sampler, branches: readonly Json[], depth: number): JsonObject {
  const resolved = branches.map((branch) => resolve(sampler, branch));
  const filled = resolved.filter((branch) => typeOf(branch) !== 'null');
  // Deep down the simplest branch ends a recursion.
  if (depth > SHALLOW) {
    const plain = resolved.find((branch) => !['object', 'array'].includes(typeOf(branch)));
    if (plain !== undefined) return plain;
  }
  return filled[sampler.dice.below(filled.length)] ?? resolved[0] ?? {};
}

interface Place {
  readonly schema: Json | undefined;
  readonly name: string;
  readonly depth: number;
}

function sample(sampler: Sampler, place: Place): Json {
  const { name, depth } = place;
  if (depth > DEEPEST) return null;
  const schema = resolve(sampler, place.schema);
  if ('const' in schema) return schema['const'] ?? null;
  const suggested = name === '' ? undefined : sampler.suggest(name, schema);
  if (suggested !== undefined) return suggested;
  const choices = schema['enum'];
  if (Array.isArray(choices) && choices.length > 0)
    return choices[sampler.dice.below(choices.length)] ?? null;
  const branches = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(branches) && branches.length > 0) {
    const { anyOf: _, oneOf: __, ...beside } = schema;
    return sample(sampler, {
      schema: { ...beside, ...chooseBranch(sampler, branches, depth) },
      name,
      depth: depth + 1,
    });
  }
  switch (typeOf(schema)) {
    case 'object':
      return sampleObject(schema, sampler, depth);
    case 'array':
      return sampleArray(schema, sampler, depth);
    case 'integer':
      return fitNumber(schema, 1 + sampler.dice.below(90), true);
    case 'number':
      return fitNumber(schema, 1 + sampler.dice.below(900) / 10, false);
    case 'boolean':
      return sampler.dice.next() < 0.5;
    case 'null':
      return null;
    default:
      return sampleString(schema, sampler);
  }
}

/**
 * A value that conforms to a JSON Schema: types, enum, const, `$ref`, `anyOf`, `oneOf`, `allOf`, bounds, lengths, formats
 * and simple patterns (2020-12 draft as far as vendors take it). `suggest` is asked first for every named field.
 */
export function sampleSchema(schema: JsonObject, dice: Dice, suggest: Suggest = () => undefined): Json {
  return sample({ root: schema, dice, suggest }, { schema, name: '', depth: 0 });
}
