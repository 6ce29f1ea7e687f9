import type { z } from 'zod';
import { nearest } from '../../core/nearest.ts';
import { valueAt } from '../../core/value-at.ts';
import { type ConfigPath, type Finding, isMap, quoteName } from './paths.ts';
import { allKeys, alternatives, keysAt, nodesAt, placesOf, type SchemaNode } from './schema-tree.ts';

type Issue = z.core.$ZodIssue;

/**
 * Turns what zod found into findings: what is wrong, and what to do. No value from `tree` is ever quoted, since it may
 * be a secret in the wrong place.
 */
export function findingsFromIssues(issues: readonly Issue[], tree: unknown): Finding[] {
  return issues.flatMap((issue) => fromIssue(issue, [], tree));
}

function fromIssue(issue: Issue, prefix: ConfigPath, tree: unknown): Finding[] {
  const path = [...prefix, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key));
    case 'invalid_union':
      return fromUnion(issue, path, tree);
    case 'invalid_key':
      return [
        {
          path,
          at: 'key',
          problem: 'has a name that is not allowed.',
          remedy: issue.issues[0]?.message ?? 'Choose another name.',
        },
      ];
    case 'invalid_type':
      return [wrongType(path, tree)];
    case 'invalid_value':
      return [wrongChoice(path, issue.values, tree)];
    case 'too_small':
    case 'too_big':
      return [outOfRange(path, issue)];
    case 'invalid_format':
      return [{ path, problem: 'is not written as it should be.', remedy: formatRemedy(issue, path) }];
    default:
      return [{ path, problem: 'is not allowed.', remedy: remedyFor(path) }];
  }
}

function formatRemedy(issue: Issue & { code: 'invalid_format' }, path: ConfigPath): string {
  return issue.format === 'datetime'
    ? 'Write RFC 3339, for example 2030-01-31T00:00:00Z.'
    : sentence(issue.message, path);
}

function sentence(message: string, path: ConfigPath): string {
  return message.startsWith('Invalid') ? remedyFor(path) : message;
}

/** An unknown key: names the nearest key of the same place, else the place where this key belongs. */
function unknownKey(path: ConfigPath, key: string): Finding {
  const here = keysAt(path);
  const base = { path: [...path, key], at: 'key', problem: `is not a known key${inWhat(path)}.` } as const;
  const near = nearest(key, here);
  if (near !== undefined) return { ...base, remedy: `Did you mean ${quoteName(near)}?` };
  const elsewhere = nearest(key, allKeys());
  const places = elsewhere === undefined ? [] : placesOf(elsewhere).slice(0, 3);
  if (elsewhere !== undefined && places.length > 0) {
    return {
      ...base,
      remedy: `${quoteName(elsewhere)} belongs in ${places.join(' or ')}. Move it there or remove it.`,
    };
  }
  return { ...base, remedy: `Remove it. Known here: ${here.join(', ')}.` };
}

function inWhat(path: ConfigPath): string {
  const last = path.findLast((part) => typeof part === 'string');
  return last === undefined ? ' at the top level' : '';
}

function fromUnion(issue: Issue & { code: 'invalid_union' }, path: ConfigPath, tree: unknown): Finding[] {
  if (issue.errors.length === 0) {
    const options = (issue as { options?: readonly unknown[] }).options ?? [];
    return [wrongChoice(path, options, tree)];
  }
  // The branch meant is the one whose outer type fits; the others only say "expected string".
  const fits = issue.errors.find(
    (branch) => !branch.some((one) => one.code === 'invalid_type' && one.path.length === 0),
  );
  if (fits === undefined) return [wrongType(path, tree)];
  return fits.flatMap((one) => fromIssue(one, path, tree));
}

function wrongType(path: ConfigPath, tree: unknown): Finding {
  const value = valueAt(tree, path);
  if (value === undefined && path.length > 0) {
    return { path, at: 'key', problem: 'is missing.', remedy: `Add it. ${remedyFor(path)}` };
  }
  if (value === null)
    return {
      path,
      at: 'key',
      problem: 'has no value.',
      remedy: `Give it one or remove the line. ${remedyFor(path)}`,
    };
  return { path, problem: `is ${kindOf(value)}, which does not fit here.`, remedy: remedyFor(path) };
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isMap(value)) return 'a map of keys';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'boolean') return 'true or false';
  return 'a number';
}

function wrongChoice(path: ConfigPath, options: readonly unknown[], tree: unknown): Finding {
  const words = options.map(String);
  const value = valueAt(tree, path);
  const list = words.length === 1 ? `Write ${words[0]}.` : `Write one of: ${words.join(', ')}.`;
  if (value === undefined) return { path, at: 'key', problem: 'is missing.', remedy: `Add it. ${list}` };
  const near = typeof value === 'string' ? nearest(value, words) : undefined;
  const remedy = near === undefined ? list : `Did you mean ${near}? ${list}`;
  return { path, problem: 'is none of the values allowed.', remedy };
}

function outOfRange(path: ConfigPath, issue: Issue & { code: 'too_small' | 'too_big' }): Finding {
  const small = issue.code === 'too_small';
  const bound = String(small ? issue.minimum : issue.maximum);
  if (issue.origin === 'string') {
    const problem = small ? 'is empty.' : `is longer than ${bound} characters.`;
    return { path, problem, remedy: remedyFor(path) };
  }
  if (issue.origin === 'array') {
    const problem = small
      ? `needs at least ${bound} ${bound === '1' ? 'entry' : 'entries'}.`
      : `has more than ${bound} entries.`;
    return { path, problem, remedy: remedyFor(path) };
  }
  const than = small ? `below the least value, ${bound}` : `above the greatest value, ${bound}`;
  return {
    path,
    problem: issue.inclusive === false ? `must be more than ${bound}.` : `is ${than}.`,
    remedy: remedyFor(path),
  };
}

/** What may be written at a path, from the schema: its kind and range, and its description. */
export function remedyFor(path: ConfigPath): string {
  const nodes = nodesAt(path);
  const kinds = [...new Set(nodes.flatMap(alternatives).map(describeKind))].filter((kind) => kind !== '');
  const about = nodes.find((node) => node.description !== undefined)?.description;
  const write = kinds.length === 0 ? 'Compare it with sluice.example.yaml.' : `Write ${kinds.join(', or ')}.`;
  return about === undefined ? write : `${write} ${about}`;
}

function describeKind(node: SchemaNode): string {
  if (node.enum !== undefined) return `one of ${node.enum.join(', ')}`;
  if (node.const !== undefined) return String(node.const);
  switch (node.type) {
    case 'integer':
    case 'number':
      return `a ${node.type === 'integer' ? 'whole ' : ''}number${rangeOf(node)}`;
    case 'string':
      return 'text';
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    case 'object':
      return node.properties === undefined
        ? 'names with values under them'
        : `keys such as ${someKeys(node)}`;
    default:
      return '';
  }
}

function someKeys(node: SchemaNode): string {
  return Object.keys(node.properties ?? {})
    .slice(0, 4)
    .join(', ');
}

function rangeOf(node: SchemaNode): string {
  if (node.exclusiveMinimum !== undefined) return ` above ${node.exclusiveMinimum}`;
  if (node.minimum === undefined || node.maximum === undefined) return '';
  if (node.maximum >= 1_000_000_000) return `, at least ${node.minimum}`;
  return ` from ${node.minimum} to ${node.maximum}`;
}
