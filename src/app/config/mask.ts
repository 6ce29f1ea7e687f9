import { createHash } from 'node:crypto';
import { type ConfigPath, isMap, MASK } from './paths.ts';
import type { Config } from './schema.ts';
import { alternatives, configJsonSchema, isSecretPath, type SchemaNode } from './schema-tree.ts';

/**
 * A copy that may be shown: every secret of the schema is `********`, and so is the password in a URL. For
 * `GET /api/config`.
 */
export function maskSecrets(config: Config): Config {
  return maskValue(config, []) as Config;
}

function maskValue(value: unknown, path: ConfigPath): unknown {
  if (typeof value === 'string') return isSecretPath(path) ? MASK : maskUrl(value);
  if (Array.isArray(value)) return value.map((item, index) => maskValue(item, [...path, index]));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, maskValue(inner, [...path, key])]),
  );
}

/** Hides what stands before the `@` of a URL's authority, and parameters that name a secret. */
function maskUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, `$1${MASK}@`)
    .replace(/([?&](?:password|pass|key|token|secret|api[-_]?key)=)[^&#]*/gi, `$1${MASK}`);
}

/**
 * The same for a part of a configuration as it was written: what only says where a secret is (`\${NAME}`, and what
 * `isReference` knows) is none, and can be taken to another gateway.
 */
export function maskTree(
  tree: unknown,
  isReference: (text: string) => boolean,
  path: ConfigPath = [],
): unknown {
  if (typeof tree === 'string') {
    if (!isSecretPath(path)) return maskUrl(tree);
    return /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(tree) || isReference(tree) ? tree : MASK;
  }
  if (Array.isArray(tree)) return tree.map((item, index) => maskTree(item, isReference, [...path, index]));
  if (!isMap(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([key, inner]) => [key, maskTree(inner, isReference, [...path, key])]),
  );
}

/** Where a masked secret is taken from: what was there before it was shown. */
export interface Unmasked {
  /** The overrides in force. */
  readonly before: unknown;
  /** The configuration without overrides. */
  readonly base: unknown;
}

/**
 * Puts the secrets back that {@link maskTree} and {@link maskSecrets} hid. One that stands below anyway is left out; in
 * lists, which replace as a whole, it is filled in. What was nowhere stays masked, and the check refuses it.
 */
export function unmask(
  tree: Readonly<Record<string, unknown>>,
  { before, base }: Unmasked,
): Record<string, unknown> {
  return unmaskMap(tree, before, { base, inList: false });
}

interface Below {
  readonly base: unknown;
  readonly inList: boolean;
}

function unmaskMap(
  tree: Readonly<Record<string, unknown>>,
  before: unknown,
  below: Below,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
      const was = isMap(before) ? before[key] : undefined;
      const under = isMap(below.base) ? below.base[key] : undefined;
      const found = unmaskValue(value, was, { base: under, inList: below.inList });
      return found === undefined ? [] : [[key, found]];
    }),
  );
}

function unmaskValue(value: unknown, before: unknown, below: Below): unknown {
  if (typeof value === 'string' && value.includes(MASK)) {
    if (typeof before === 'string') return before;
    if (typeof below.base !== 'string') return value;
    return below.inList ? below.base : undefined;
  }
  if (Array.isArray(value)) {
    return value.map((item, index) =>
      unmaskValue(item, Array.isArray(before) ? before[index] : undefined, {
        base: Array.isArray(below.base) ? below.base[index] : undefined,
        inList: true,
      }),
    );
  }
  return isMap(value) ? unmaskMap(value, before, below) : value;
}

/** The secrets in a tree of any shape, so that messages can be cleaned of them; also passwords in URLs. */
export function collectSecrets(tree: unknown): string[] {
  const found: string[] = [];
  collect(tree, [configJsonSchema()], found);
  return found;
}

function collect(value: unknown, nodes: readonly SchemaNode[], found: string[]): void {
  const options = nodes.flatMap(alternatives);
  if (typeof value === 'string' && options.some((node) => node.writeOnly === true)) found.push(value);
  if (typeof value === 'string') {
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*:([^/?#]*)@/i.exec(value)?.[1];
    if (password !== undefined) found.push(password);
  }
  if (Array.isArray(value)) {
    const items = options.flatMap((node) => (node.items === undefined ? [] : [node.items]));
    for (const item of value) collect(item, items, found);
  }
  if (!isMap(value)) return;
  for (const [key, inner] of Object.entries(value)) {
    const inside = options.flatMap((node) => node.properties?.[key] ?? additional(node));
    collect(inner, inside, found);
  }
}

function additional(node: SchemaNode): readonly SchemaNode[] {
  return typeof node.additionalProperties === 'object' ? [node.additionalProperties] : [];
}

/** A fingerprint of what is configured, secrets included: SHA-256 over the sorted JSON, lower-case hex. */
export function configHash(config: Config): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(config)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
