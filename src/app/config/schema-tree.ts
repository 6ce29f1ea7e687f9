import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { shippedFile } from '../paths.ts';
import type { ConfigPath } from './paths.ts';
import { configSchema } from './schema.ts';

/** The part of JSON Schema (draft 2020-12) that zod writes for our schema. */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  readonly propertyNames?: SchemaNode;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly enum?: readonly (string | number | boolean)[];
  readonly const?: string | number | boolean;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly writeOnly?: boolean;
}

let cached: SchemaNode | undefined;

/**
 * The JSON Schema of `sluice.yaml` as it is written, before defaults. The built program has it beside it: making it takes a
 * tenth of a start.
 */
export function configJsonSchema(): SchemaNode {
  if (cached === undefined) {
    const built = shippedFile('./sluice.schema.json');
    cached =
      built === undefined ? makeConfigJsonSchema() : (JSON.parse(readFileSync(built, 'utf8')) as SchemaNode);
  }
  return cached;
}

/** The same, made from the types that configurations are checked with. */
function makeConfigJsonSchema(): SchemaNode {
  return z.toJSONSchema(configSchema, { io: 'input' }) as SchemaNode;
}

/** The alternatives of a union, or the node itself. */
export function alternatives(node: SchemaNode): readonly SchemaNode[] {
  const options = node.anyOf ?? node.oneOf;
  return options === undefined ? [node] : options.flatMap(alternatives);
}

/** What may stand under a part of a path. */
function step(node: SchemaNode, part: string | number): SchemaNode[] {
  return alternatives(node).flatMap((option) => {
    if (typeof part === 'number') return option.items === undefined ? [] : [option.items];
    const own = option.properties?.[part];
    if (own !== undefined) return [own];
    return typeof option.additionalProperties === 'object' ? [option.additionalProperties] : [];
  });
}

/** Every schema node that describes this path; several where a union allows several shapes. */
export function nodesAt(path: ConfigPath): readonly SchemaNode[] {
  let nodes: SchemaNode[] = [configJsonSchema()];
  for (const part of path) nodes = nodes.flatMap((node) => step(node, part));
  return nodes;
}

/** The fixed keys allowed at a path, in the schema's order. */
export function keysAt(path: ConfigPath): readonly string[] {
  const keys = nodesAt(path)
    .flatMap(alternatives)
    .flatMap((node) => Object.keys(node.properties ?? {}));
  return [...new Set(keys)];
}

/** Calls back for every named place of the schema; `*` stands for a name, `[]` for a list's entry. */
export function walkSchema(
  visit: (place: readonly string[], node: SchemaNode) => void,
  node: SchemaNode = configJsonSchema(),
  place: readonly string[] = [],
): void {
  visit(place, node);
  for (const option of alternatives(node)) {
    for (const [key, child] of Object.entries(option.properties ?? {}))
      walkSchema(visit, child, [...place, key]);
    if (typeof option.additionalProperties === 'object') {
      walkSchema(visit, option.additionalProperties, [...place, '*']);
    }
    if (option.items !== undefined) walkSchema(visit, option.items, [...place, '[]']);
  }
}

/** Where else a key belongs, for example `providers.NAME.limits`; the first place in the schema's order wins. */
export function placesOf(key: string): readonly string[] {
  const found = new Set<string>();
  walkSchema((place) => {
    if (place.at(-1) === key) found.add(writePlace(place.slice(0, -1)));
  });
  return [...found];
}

/** Every key that stands somewhere in the schema. */
export function allKeys(): ReadonlySet<string> {
  const keys = new Set<string>();
  walkSchema((place) => {
    const last = place.at(-1);
    if (last !== undefined && last !== '*' && last !== '[]') keys.add(last);
  });
  return keys;
}

/** A place for people: `models.NAME.deployments[]`. */
export function writePlace(place: readonly string[]): string {
  if (place.length === 0) return 'the top level';
  return place
    .map((part) => (part === '*' ? 'NAME' : part))
    .join('.')
    .replaceAll('.[]', '[]');
}

/** Whether the value at this path is a secret (`writeOnly` in the schema). */
export function isSecretPath(path: ConfigPath): boolean {
  return nodesAt(path)
    .flatMap(alternatives)
    .some((node) => node.writeOnly === true);
}
