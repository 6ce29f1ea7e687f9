// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax this file reads.
import {
  type Document,
  isAlias,
  isNode,
  isScalar,
  isSeq,
  isMap as isYamlMap,
  LineCounter,
  parseDocument,
  type Scalar,
  type YAMLError,
} from 'yaml';
import { nearest } from '../../core/nearest.ts';
import { type Environment, interpolate } from './interpolate.ts';
import type { ConfigPath, Finding } from './paths.ts';
import { allKeys, nodesAt } from './schema-tree.ts';

/** Largest text that is read. Characters; a file may have as many bytes. */
export const MAX_TEXT = 4_194_304;
const MAX_PROBLEMS = 20;
const MAX_DEPTH = 32;
/** Levels of a file at most: whoever walks through it does so by recursion. */
const MAX_LEVELS = 100;

/** A place in the text, one-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A syntax error with its place. */
export interface PlacedFinding extends Finding {
  readonly position: Position;
}

/** A read YAML text. */
export interface ConfigDocument {
  /** The data after `${…}` replacement; `undefined` when the syntax is broken. */
  readonly tree: unknown;
  readonly syntax: readonly PlacedFinding[];
  /** `${…}` that could not be replaced, and quotes that nothing opened. */
  readonly unresolved: readonly Finding[];
  /** Paths (as JSON) whose value came, in whole or part, from `${…}`. */
  readonly interpolated: ReadonlySet<string>;
  /** What must not be shown: values taken from the environment, and names that may be a secret in the wrong place. */
  readonly hidden: readonly string[];
  locate(path: ConfigPath, at: 'key' | 'value'): Position;
}

/** Reads YAML 1.2 text, replaces `${…}` in its string values (never in keys), and remembers where everything stands. */
export function readDocument(text: string, environment: Environment): ConfigDocument {
  if (text.length > MAX_TEXT) return broken('is larger than 4 MB.', 'Make the file smaller.');
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      merge: true,
      // Of a map in the place of a name (`{{ … }}`) the parser would print what it holds; the schema refuses it.
      logLevel: 'error',
    });
    const errors = [...document.errors, ...document.warnings];
    if (errors.length > 0) return failed(document, lines, describeAll(document, lines, { text, errors }));
    const replaced = replaceVariables(document, environment);
    const tree: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
    if (isDeeperThan(MAX_LEVELS, tree)) return broken(...TOO_DEEP);
    return { tree, syntax: [], ...replaced, locate: locator(document, lines) };
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Merge sources')) return broken(...NO_MERGE);
    const alias = error instanceof ReferenceError;
    return alias
      ? broken(
          'uses an alias (`*name`) that is not defined before, or too many of them.',
          'Define it with `&name` first.',
        )
      : broken(
          'cannot be read: it is nested too deeply or is not YAML.',
          'Compare it with sluice.example.yaml.',
        );
  }
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(levels - 1, inner));
}

function broken(problem: string, remedy: string): ConfigDocument {
  const start = { line: 1, column: 1 };
  return {
    tree: undefined,
    syntax: [{ path: [], problem, remedy, position: start }],
    unresolved: [],
    interpolated: new Set(),
    hidden: [],
    locate: () => start,
  };
}

function failed(document: Document, lines: LineCounter, syntax: readonly PlacedFinding[]): ConfigDocument {
  return {
    tree: undefined,
    syntax,
    unresolved: [],
    interpolated: new Set(),
    hidden: bareNames(document.contents),
    locate: locator(document, lines),
  };
}

const NO_MERGE = [
  'has a `<<` whose value is no map.',
  'Write an alias of a map after it, such as `<<: *name`.',
] as const;
const TOO_DEEP = ['is nested too deeply.', 'Compare it with sluice.example.yaml.'] as const;

/** Sentences of our own: the parser's quote the text, which may be a secret. */
const SYNTAX: Readonly<Record<string, readonly [problem: string, remedy: string]>> = {
  DUPLICATE_KEY: ['is given twice.', 'Keep one of the two.'],
  TAB_AS_INDENT: ['is indented with a tab.', 'Indent with spaces; YAML allows no tabs there.'],
  MISSING_CHAR: [
    'lacks a closing quote, a comma or a colon.',
    'Close what was opened on this line or above it.',
  ],
  BAD_INDENT: [
    'is indented differently from its neighbours, or a bracket opened above is not closed.',
    'Give keys of one level the same number of spaces, and close every { and [.',
  ],
  BLOCK_AS_IMPLICIT_KEY: [
    'has a second `:` on its line, or a key under a value.',
    'Put each key on its own line, and quote values that hold `: `.',
  ],
  MULTILINE_IMPLICIT_KEY: ['has a line that is no `key: value`.', 'Write a colon and a space after the key.'],
  BAD_SCALAR_START: ['has a value that starts with a reserved character.', 'Put the value in quotes.'],
  BAD_DQ_ESCAPE: [
    'has an unknown escape in double quotes.',
    'Use single quotes, or write \\\\ for a backslash.',
  ],
  MULTIPLE_DOCS: ['holds a second document after `---`.', 'Keep one document in the file.'],
  TAG_RESOLVE_FAILED: ['has a `!tag`, which is not supported.', 'Remove the tag, or quote the value.'],
  BAD_ALIAS: ['has a malformed alias (`*name`).', 'Quote the value if the * is meant literally.'],
  BLOCK_IN_FLOW: [
    'has an indented list or map inside { } or [ ].',
    'Use one way of writing for the whole value.',
  ],
  BAD_DIRECTIVE: ['has a `%` line that is not supported.', 'Remove it.'],
  RESOURCE_EXHAUSTION: TOO_DEEP,
};
const SYNTAX_OTHER = [
  'cannot be read as YAML at this place.',
  'Check quotes, brackets, indentation and the space after each colon.',
] as const;

interface Broken {
  readonly text: string;
  readonly errors: readonly YAMLError[];
}

function describeAll(document: Document, lines: LineCounter, broken: Broken): PlacedFinding[] {
  const byLine = new Map<number, PlacedFinding>();
  for (const error of broken.errors) {
    const offset = Math.min(error.pos[0], broken.text.length);
    const { line, col } = lines.linePos(offset);
    // One mistake often yields several errors on a line; the first says it best.
    if (byLine.has(line) || byLine.size >= MAX_PROBLEMS) continue;
    const [problem, remedy] = SYNTAX[error.code] ?? SYNTAX_OTHER;
    const around = broken.text.slice(Math.max(0, offset - 2), offset + 2);
    const unquoted = /\$\{/.test(around) && error.code === 'UNEXPECTED_TOKEN';
    byLine.set(line, {
      path: pathAt(document.contents, offset),
      problem: unquoted ? 'has a `${…}` without quotes inside { } or [ ].' : problem,
      remedy: unquoted ? 'Put it in double quotes: "${NAME}".' : remedy,
      position: { line, column: col },
    });
  }
  return [...byLine.values()];
}

/**
 * The path of the deepest value that holds this offset. It ends where the schema knows no further: with broken syntax
 * a value may stand in a key's place, and a value must not be shown.
 */
function pathAt(start: unknown, offset: number): ConfigPath {
  const path: (string | number)[] = [];
  let node = start;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const child = childAt(node, offset);
    if (child === undefined || nodesAt([...path, child.part]).length === 0) break;
    path.push(child.part);
    node = child.node;
  }
  return path;
}

/** The last entry that starts at or before the offset; with broken syntax a range's end is not to be trusted. */
function childAt(node: unknown, offset: number): { part: string | number; node: unknown } | undefined {
  if (isYamlMap(node)) {
    const pair = node.items.findLast((item) => startOf(item.key) <= offset);
    return pair === undefined ? undefined : { part: keyText(pair.key), node: pair.value };
  }
  if (isSeq(node)) {
    const index = node.items.findLastIndex((item) => startOf(item) <= offset);
    return index < 0 ? undefined : { part: index, node: node.items[index] };
  }
  return undefined;
}

function startOf(node: unknown): number {
  return isNode(node) && node.range ? node.range[0] : Number.POSITIVE_INFINITY;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : '?';
}

function locator(document: Document, lines: LineCounter): ConfigDocument['locate'] {
  return (path, at) => {
    let node: unknown = document.contents;
    let offset = 0;
    for (const [index, part] of path.entries()) {
      if (isAlias(node)) node = node.resolve(document);
      const found = child(node, part);
      if (found === undefined) break;
      const wantsKey = at === 'key' && index === path.length - 1;
      const value = startOf(found.value);
      const isLast = index === path.length - 1;
      // A missing key is reported at the key of the map that lacks it, so only the last step points at a value.
      offset = isLast && !wantsKey && Number.isFinite(value) ? value : Math.min(found.start, value);
      node = found.value;
    }
    const { line, col } = lines.linePos(Number.isFinite(offset) ? offset : 0);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
}

function child(node: unknown, part: string | number): { start: number; value: unknown } | undefined {
  if (isYamlMap(node)) {
    const pair = node.items.find((item) => keyText(item.key) === String(part));
    return pair === undefined ? undefined : { start: startOf(pair.key), value: pair.value };
  }
  if (isSeq(node) && typeof part === 'number' && part < node.items.length) {
    return { start: startOf(node.items[part]), value: node.items[part] };
  }
  return undefined;
}

function replaceVariables(
  document: Document,
  environment: Environment,
): Pick<ConfigDocument, 'unresolved' | 'interpolated' | 'hidden'> {
  const unresolved: Finding[] = [];
  const interpolated = new Set<string>();
  const hidden = bareNames(document.contents);
  eachScalar(document.contents, [], (node, path) => {
    if (node.type === 'PLAIN' && hasStrayQuote(node.value)) unresolved.push({ path, ...STRAY_QUOTE });
    if (typeof node.value !== 'string' || !node.value.includes('${')) return;
    const result = interpolate(node.value, environment);
    node.value = result.value;
    interpolated.add(JSON.stringify(path));
    hidden.push(...result.taken);
    unresolved.push(...result.failures.map((failure) => ({ path, ...failure })));
  });
  return { unresolved, interpolated, hidden };
}

/**
 * Names without a colon that resemble no key of the schema. A lost `key:` turns the secret after it into such a name.
 */
function bareNames(node: unknown): string[] {
  if (isSeq(node)) return node.items.flatMap(bareNames);
  if (!isYamlMap(node)) return [];
  return node.items.flatMap((pair) => {
    const name = keyText(pair.key);
    const bare = !pair.value && nearest(name, allKeys()) === undefined;
    return bare ? [name] : bareNames(pair.value);
  });
}

const STRAY_QUOTE = {
  problem: 'ends with a quote that nothing opened.',
  remedy: 'Put the whole value in quotes, or remove the quote.',
};

/** YAML takes `x"` as a text of two letters; a lost opening quote would go unnoticed until the key is refused. */
function hasStrayQuote(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  const last = value.at(-1);
  return (last === '"' || last === "'") && value.split(last).length % 2 === 0;
}

function eachScalar(
  node: unknown,
  path: ConfigPath,
  visit: (scalar: Scalar, path: ConfigPath) => void,
): void {
  if (isScalar(node)) visit(node, path);
  else if (isYamlMap(node)) {
    for (const pair of node.items) eachScalar(pair.value, [...path, keyText(pair.key)], visit);
  } else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) eachScalar(item, [...path, index], visit);
  }
}
