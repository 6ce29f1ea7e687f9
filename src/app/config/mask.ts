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
