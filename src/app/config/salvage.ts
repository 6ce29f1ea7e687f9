import { valueAt } from '../../core/value-at.ts';
import { type ConfigPath, type Finding, isMap, quoteName } from './paths.ts';

/** The part of zod's issue that says where it is. */
interface Place {
  readonly code: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly keys?: readonly string[];
}

/** A parse of a tree: what it became, or where it failed. */
type Parsed<T> =
  | { readonly success: true; readonly data: T }
  | { readonly success: false; readonly issues: readonly Place[] };

/** What is left of a tree without its faults. */
export interface Salvaged<T> {
  readonly data: T;
  /** A path in the salvaged tree as it is in the whole one: lists have lost entries. */
  restore(path: ConfigPath): ConfigPath;
  /** Whether a finding may only be a consequence of what was taken out. */
  isDoubtful(finding: Finding): boolean;
}

/** Each round takes out what the one before it laid bare. */
const MAX_ROUNDS = 8;

const keyOf = (path: ConfigPath) => JSON.stringify(path);

function without(tree: unknown, removed: ReadonlySet<string>, path: ConfigPath = []): unknown {
  const stays = (key: string | number) => !removed.has(keyOf([...path, key]));
  if (Array.isArray(tree)) {
    return tree.flatMap((item, index) => (stays(index) ? [without(item, removed, [...path, index])] : []));
  }
  if (!isMap(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]): [string, unknown][] =>
      stays(key) ? [[key, without(value, removed, [...path, key])]] : [],
    ),
  );
}

/** Puts the numbers of list entries back to what they were. */
function restorer(tree: unknown, removed: ReadonlySet<string>): (path: ConfigPath) => ConfigPath {
  return (path) => {
    const whole: (string | number)[] = [];
    for (const part of path) {
      const list = valueAt(tree, whole);
      if (typeof part !== 'number' || !Array.isArray(list)) whole.push(part);
      else {
        const kept = list.map((_, index) => index).filter((index) => !removed.has(keyOf([...whole, index])));
        whole.push(kept[part] ?? part);
      }
    }
    return whole;
  };
}

function faultyPaths(
  issue: Place,
  pruned: unknown,
  restore: (path: ConfigPath) => ConfigPath,
): readonly ConfigPath[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  if (issue.code === 'unrecognized_keys') return (issue.keys ?? []).map((key) => [...restore(path), key]);
  // What is missing takes away what needed it.
  const missing = valueAt(pruned, path) === undefined;
  return [restore(missing ? path.slice(0, -1) : path)];
}

function startsWith(path: ConfigPath, start: ConfigPath): boolean {
  return start.length <= path.length && start.every((part, index) => part === path[index]);
}

/** What is said of one value whatever stands beside it. */
function speaksForItself({ problem }: Finding): boolean {
  return /^(?:names|is the same as|is no|is a pattern|is shorter|is short|repeats|closes) /.test(problem);
}

function mentions({ problem, remedy }: Finding, key: string | number | undefined): boolean {
  return typeof key === 'string' && `${problem} ${remedy}`.includes(`\`${key}\``);
}

function isDoubtful(finding: Finding, removed: readonly ConfigPath[]): boolean {
  const parent = finding.path.slice(0, -1);
  return removed.some((gone) => {
    const sibling =
      gone.length > 1 && parent.length > 0 && startsWith(gone, parent) && gone.length === finding.path.length;
    const beside = sibling && (!speaksForItself(finding) || mentions(finding, gone.at(-1)));
    const within = finding.path.length > 1 && startsWith(gone, finding.path);
    // A section or an entry that fell away is missed wherever it is named.
    const entry = gone.length === 2 && finding.problem.includes(quoteName(String(gone[1])));
    const named = finding.problem.startsWith('names ') && (gone.length === 1 || entry);
    return beside || within || named || startsWith(finding.path, gone);
  });
}

/**
 * Takes out whatever does not fit the schema, so that what is left can be checked as well and all problems told at once.
 * `undefined` when too little is left.
 */
export function salvage<T>(tree: unknown, parse: (tree: unknown) => Parsed<T>): Salvaged<T> | undefined {
  const removed = new Set<string>();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pruned = without(tree, removed);
    const parsed = parse(pruned);
    const restore = restorer(tree, removed);
    if (parsed.success) {
      const paths = [...removed].map((key) => JSON.parse(key) as ConfigPath);
      return { data: parsed.data, restore, isDoubtful: (finding) => isDoubtful(finding, paths) };
    }
    const faulty = parsed.issues.flatMap((issue) => faultyPaths(issue, pruned, restore));
    if (faulty.some((path) => path.length === 0)) return undefined;
    for (const path of faulty) removed.add(keyOf(path));
  }
  return undefined;
}
