import { isObject, type Json, type JsonObject } from '../../model/index.ts';

/** Values looked at before a check gives up and finds nothing wrong. */
const MAX_VALUES = 10_000;
const MAX_DEPTH = 64;

const TYPES: Readonly<Record<string, (value: Json) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => typeof value === 'number' && Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: (value) => Array.isArray(value),
  object: (value) => isObject(value),
};

interface Walk {
  left: number;
  readonly root: Json;
}

function typeFault(schema: JsonObject, value: Json, path: string): string | undefined {
  const { type } = schema;
  const allowed = typeof type === 'string' ? [type] : Array.isArray(type) ? type : [];
  const known = allowed.filter(
    (name): name is string => typeof name === 'string' && Object.hasOwn(TYPES, name),
  );
  if (known.length === 0 || known.length < allowed.length) return undefined;
  return known.some((name) => TYPES[name]?.(value))
    ? undefined
    : `${path} is not of type ${known.join(' or ')}`;
}

function objectFault(walk: Walk, schema: JsonObject, at: { value: JsonObject; path: string; depth: number }) {
  const { value, path, depth } = at;
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const missing = required.find((name) => typeof name === 'string' && !Object.hasOwn(value, name));
  if (missing !== undefined) return `${path}.${String(missing)} is missing`;
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  for (const [name, inner] of Object.entries(value)) {
    if (!Object.hasOwn(properties, name)) {
      if (schema['additionalProperties'] === false) return `${path}.${name.slice(0, 64)} is not allowed`;
      continue;
    }
    const fault = check(walk, properties[name], {
      value: inner as Json,
      path: `${path}.${name}`,
      depth: depth + 1,
    });
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function resolve(walk: Walk, schema: JsonObject): Json | undefined {
  const { $ref: reference } = schema;
  if (typeof reference !== 'string' || !reference.startsWith('#/')) return undefined;
  let found: Json | undefined = walk.root;
  for (const name of reference.slice(2).split('/')) {
    found = isObject(found) && Object.hasOwn(found, name) ? (found[name] as Json) : undefined;
  }
  return found;
}

function check(
  walk: Walk,
  given: Json | undefined,
  at: { readonly value: Json; readonly path: string; readonly depth: number },
): string | undefined {
  if (!isObject(given) || at.depth > MAX_DEPTH || walk.left-- <= 0) return undefined;
  if ('$ref' in given) return check(walk, resolve(walk, given), { ...at, depth: at.depth + 1 });
  const { value, path, depth } = at;
  const options = given['enum'];
  if (Array.isArray(options) && !options.some((option) => JSON.stringify(option) === JSON.stringify(value)))
    return `${path} is none of the values allowed`;
  if ('const' in given && JSON.stringify(given['const']) !== JSON.stringify(value))
    return `${path} is not the value demanded`;
  const choices = given['anyOf'] ?? given['oneOf'];
  if (
    Array.isArray(choices) &&
    choices.every((choice) => check(walk, choice, { value, path, depth: depth + 1 }) !== undefined)
  )
    return `${path} fits none of the shapes allowed`;
  const wrong = typeFault(given, value, path);
  if (wrong !== undefined) return wrong;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const fault = check(walk, given['items'], { value: item, path: `${path}[${index}]`, depth: depth + 1 });
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  return isObject(value) ? objectFault(walk, given, { value, path, depth }) : undefined;
}

/**
 * The first way in which a value breaks a JSON Schema, `undefined` when none is found. Looks at `type`, `enum`, `const`,
 * `required`, `properties`, `additionalProperties: false`, `items`, `anyOf`, `oneOf` (at least one) and local `$ref`;
 * everything else is taken as kept. Bounded in depth and in values.
 */
export function schemaFault(schema: Json, value: Json): string | undefined {
  return check({ left: MAX_VALUES, root: schema }, schema, { value, path: '$', depth: 0 });
}
