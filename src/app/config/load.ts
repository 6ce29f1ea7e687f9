import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { valueAt } from '../../core/value-at.ts';
import { crossCheck, type Findings } from './cross-check.ts';
import { type ConfigDocument, MAX_TEXT, readDocument } from './document.ts';
import { environmentLayer } from './environment.ts';
import type { Environment } from './interpolate.ts';
import type { KnownNames } from './known.ts';
import { collectSecrets } from './mask.ts';
import { deepFreeze, type Layer, layerOf, mergePatch, placeAt } from './merge.ts';
import { type ConfigPath, type Finding, formatPath, isMap, type Problem } from './paths.ts';
import { findingsFromIssues } from './problems.ts';
import { salvage } from './salvage.ts';
import { type Config, type ConfigInput, configSchema } from './schema.ts';
import { nodesAt } from './schema-tree.ts';

/** What the command line may override. */
export interface ConfigFlags {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  readonly dataDir?: string | undefined;
}

/** Where a configuration comes from. Later wins: file, environment, flags, admin overrides. */
export interface LoadInput {
  /** The file. With `text` only its name is used, for messages. Without both, the layers above the file are loaded. */
  readonly path?: string | undefined;
  /** The file's text, instead of reading it. */
  readonly text?: string | undefined;
  readonly environment: Environment;
  readonly flags?: ConfigFlags | undefined;
  /** A partial configuration set through the admin API; merged by RFC 7396 (`null` removes a key, lists replace). */
  readonly overrides?: unknown;
  /** The same as JSON or YAML text, in which `${…}` is replaced as in the file. */
  readonly overridesText?: string | undefined;
  /** Providers found in the environment; used only when no other layer names a provider. */
  readonly discovered?: ConfigInput | undefined;
  /** Names to check against; without it names of vendors and catalog models are not checked. */
  readonly known?: KnownNames | undefined;
  /** Milliseconds since 1970, to warn about expired keys. */
  readonly now?: number | undefined;
  /** A file with literal secrets that others can read is a problem instead of a warning. */
  readonly strictPermissions?: boolean | undefined;
}

/** A configuration, or why there is none. */
export interface LoadResult {
  /** Deep-frozen, defaults filled; `undefined` when there is any problem. */
  readonly config: Config | undefined;
  /** Ordered by line. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Gathered {
  readonly document: ConfigDocument;
  readonly layers: Layer[];
  readonly fileName: string;
  /** Paths (as JSON) whose text came from the environment and may stand for a number or a boolean. */
  readonly soft: ReadonlySet<string>;
  /** Texts that must not be shown. */
  readonly hidden: string[];
  /** Variables that are not set. */
  readonly unresolved: readonly Finding[];
}

/** Reads, merges and checks a configuration. Never throws for what a file holds: every fault is a problem. */
export function loadConfig(input: LoadInput): LoadResult {
  const fileName = nameOfFile(input);
  const read = readText(input);
  if ('problem' in read) {
    const fault = {
      path: '(document)',
      line: undefined,
      column: undefined,
      source: input.path ?? fileName,
      ...read,
    };
    return { config: undefined, problems: [fault], warnings: [] };
  }
  const document = readDocument(read.text, input.environment);
  const environment = environmentLayer(input.environment);
  const over =
    input.overridesText === undefined ? undefined : readDocument(input.overridesText, input.environment);
  const overrides = over === undefined ? input.overrides : over.tree;
  const layers = layersOf(
    { ...input, overrides },
    { file: topLevel(document.tree), fileName, environment: environment.layer },
  );
  const soft = new Set([
    ...document.interpolated,
    ...scalarPaths(environment.layer.tree),
    ...(over?.interpolated ?? []),
  ]);
  const hidden = [...document.hidden, ...environment.taken, ...(over?.hidden ?? [])];
  const unresolved = [...document.unresolved, ...(over?.unresolved ?? [])];
  const gathered = { document, layers, fileName, soft, hidden, unresolved };
  if (document.syntax.length > 0) return finish(gathered, { problems: [], warnings: [] });
  const outcome = parseLayers(input, gathered);
  const warnings = [
    ...outcome.warnings,
    ...environment.warnings,
    ...permissionFindings(input, outcome, document),
  ];
  const refused =
    input.strictPermissions === true ? warnings.filter((one) => one.problem === WORLD_READABLE) : [];
  return finish(gathered, {
    ...outcome,
    problems: [...outcome.problems, ...refused],
    warnings: warnings.filter((one) => !refused.includes(one)),
  });
}

function nameOfFile(input: LoadInput): string {
  if (input.path !== undefined) return basename(input.path);
  return input.text === undefined ? NO_FILE : 'sluice.yaml';
}

/** The source shown when nothing but defaults is at fault. */
const NO_FILE = 'defaults';

interface Outcome {
  readonly config?: Config;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

function readText(input: LoadInput): { text: string } | { problem: string; remedy: string } {
  if (input.text !== undefined) return { text: input.text };
  if (input.path === undefined) return { text: '' };
  try {
    const unfit = unfitFile(input.path);
    if (unfit !== undefined) return unfit;
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(input.path));
    // A write that was cut short leaves this behind; it must not undo what a running gateway was told.
    if (text.trim() !== '') return { text };
    return { problem: 'The file is empty.', remedy: 'Write at least `version: 1` into it, or take it away.' };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      return { problem: 'The file does not exist.', remedy: 'Check the path, or run `sluice init`.' };
    if (code === 'EACCES')
      return { problem: 'The file may not be read.', remedy: 'Give this user the right to read it.' };
    if (code === 'ELOOP')
      return { problem: 'It is a link that leads back to itself.', remedy: 'Point it at the file.' };
    if (error instanceof TypeError)
      return { problem: 'The file is not UTF-8 text.', remedy: 'Save it as UTF-8.' };
    return { problem: 'The file cannot be read.', remedy: 'Check the path and the disk.' };
  }
}

/** Where a shell hands over what another program writes: `<(…)`, `/dev/stdin`. */
const SHELL_PIPE = /^\/(dev|proc)\//;

/** Why what stands at a path is not even opened: a pipe or a device may never end, a huge file would fill the memory. */
function unfitFile(path: string): { problem: string; remedy: string } | undefined {
  const stat = statSync(path);
  if (stat.isDirectory()) return { problem: 'It is a folder.', remedy: 'Name the file in it.' };
  if (!stat.isFile() && !(stat.isFIFO() && SHELL_PIPE.test(path)))
    return { problem: 'It is a pipe or a device.', remedy: 'Name a file.' };
  return stat.size > MAX_TEXT
    ? { problem: 'The file is larger than 4 MB.', remedy: 'Make the file smaller.' }
    : undefined;
}

/** A section left empty (everything under it commented out) counts as absent. */
function topLevel(tree: unknown): unknown {
  if (!isMap(tree)) return tree;
  const isSection = (key: string) =>
    nodesAt([key]).some((node) => node.type === 'object' || node.type === 'array');
  return Object.fromEntries(Object.entries(tree).filter(([key, value]) => value !== null || !isSection(key)));
}

interface Sources {
  readonly file: unknown;
  readonly fileName: string;
  readonly environment: Layer;
}

function layersOf(input: LoadInput, sources: Sources): Layer[] {
  const { host, port, dataDir } = input.flags ?? {};
  const flags: [string, readonly string[], unknown][] = [
    ['--host', ['server', 'host'], host],
    ['--port', ['server', 'port'], typeof port === 'string' ? numeric(port) : port],
    ['--data-dir', ['storage', 'data_dir'], dataDir],
  ];
  const set = flags.filter(([, , value]) => value !== undefined);
  const flagTree = set.reduce<unknown>((tree, [, path, value]) => mergePatch(tree, placeAt(path, value)), {});
  const flagName = (path: ConfigPath) =>
    set.find(([, own]) => own.join('.') === path.slice(0, 2).join('.'))?.[0] ?? 'command line';
  return [
    { tree: sources.file, nameOf: () => sources.fileName },
    sources.environment,
    { tree: flagTree, nameOf: flagName },
    { tree: input.overrides ?? {}, nameOf: () => 'admin overrides' },
  ];
}

function scalarPaths(tree: unknown, path: ConfigPath = []): string[] {
  if (!isMap(tree)) return [JSON.stringify(path)];
  return Object.entries(tree).flatMap(([key, value]) => scalarPaths(value, [...path, key]));
}

function parseLayers(input: LoadInput, gathered: Gathered): Outcome {
  const [file, ...above] = gathered.layers;
  let merged = file?.tree;
  if (isMap(merged)) for (const layer of above) merged = mergePatch(merged, layer.tree);
  if (isMap(merged) && merged.providers === undefined && input.discovered?.providers !== undefined) {
    merged = { ...merged, providers: input.discovered.providers };
    gathered.layers.push({ tree: input.discovered, nameOf: () => 'environment' });
  }
  gathered.hidden.push(...collectSecrets(merged));
  const { unresolved } = gathered;
  const parsed = parseSoft(merged, gathered.soft);
  if (!parsed.success) {
    // A value whose variable is missing is empty text now; what the schema says about it would only distract.
    const known = new Set(unresolved.map((finding) => JSON.stringify(finding.path)));
    const faults = findingsFromIssues(parsed.error.issues, parsed.tree);
    const others = faults.filter((finding) => !known.has(JSON.stringify(finding.path)));
    const rest = checkRest(input, gathered, parsed.tree);
    return { problems: [...unresolved, ...others, ...rest.problems], warnings: rest.warnings };
  }
  const config = expandHome(parsed.data, input.environment);
  const checked = crossCheck(config, input.known, input.now);
  const frozen = deepFreeze(config);
  return { config: frozen, problems: [...unresolved, ...checked.problems], warnings: checked.warnings };
}

/** What the sound part of a faulty tree says about itself, so that all problems are told at once. */
function checkRest(input: LoadInput, { soft, unresolved }: Gathered, tree: unknown): Findings {
  const unset = new Set(unresolved.map((finding) => JSON.stringify(finding.path)));
  const rest = salvage(tree, (part) => {
    const parsed = parseSoft(part, soft);
    return parsed.success ? parsed : { success: false, issues: parsed.error.issues };
  });
  if (rest === undefined) return { problems: [], warnings: [] };
  const { problems, warnings } = crossCheck(rest.data, input.known, input.now);
  const sure = (findings: readonly Finding[]) =>
    findings
      .map((finding) => ({ ...finding, path: rest.restore(finding.path) }))
      .filter((finding) => !rest.isDoubtful(finding) && !unset.has(JSON.stringify(finding.path)));
  return { problems: sure(problems), warnings: sure(warnings) };
}

/** Parses; text from the environment that stands where a number or boolean belongs is converted, then parsed again. */
function parseSoft(tree: unknown, soft: ReadonlySet<string>) {
  const first = configSchema.safeParse(tree);
  if (first.success) return { ...first, tree };
  let mended = tree;
  for (const issue of first.error.issues) {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
    const value = valueAt(tree, path);
    if (issue.code !== 'invalid_type' || typeof value !== 'string' || !soft.has(JSON.stringify(path)))
      continue;
    const converted = issue.expected === 'boolean' ? truth(value) : numeric(value);
    mended = replaceAt(mended, path, converted);
  }
  return mended === tree ? { ...first, tree } : { ...configSchema.safeParse(mended), tree: mended };
}

function numeric(text: string): number | string {
  return /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : text;
}

function truth(text: string): boolean | string {
  const word = text.trim().toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  return ['false', '0', 'no', 'off'].includes(word) ? false : text;
}

function replaceAt(tree: unknown, [head, ...rest]: ConfigPath, value: unknown): unknown {
  if (head === undefined) return value;
  if (Array.isArray(tree))
    return tree.map((item, index) => (index === head ? replaceAt(item, rest, value) : item));
  return isMap(tree) ? { ...tree, [head]: replaceAt(tree[String(head)], rest, value) } : tree;
}

/** `~/` at the start of paths becomes the home folder. */
function expandHome(config: Config, environment: Environment): Config {
  const home = environment.HOME ?? environment.USERPROFILE;
  if (home === undefined || home === '') return config;
  const expand = (text: string) =>
    text.replace(/^(sqlite:)?~(?=\/|$)/, (_, scheme = '') => `${scheme}${home}`);
  const { data_dir, url } = config.storage;
  return { ...config, storage: { ...config.storage, data_dir: expand(data_dir), url: expand(url) } };
}

const WORLD_READABLE = 'holds secrets as plain text and may be read by other users of this machine.';

function permissionFindings(input: LoadInput, outcome: Outcome, document: ConfigDocument): Finding[] {
  if (input.path === undefined || input.text !== undefined || outcome.config === undefined) return [];
  const fromEnvironment = new Set(document.hidden);
  const literal = collectSecrets(document.tree).some((secret) => !fromEnvironment.has(secret));
  const mode = statSync(input.path, { throwIfNoEntry: false })?.mode ?? 0;
  if (!literal || (mode & 0o004) === 0) return [];
  const remedy = 'Run `chmod 600` on it, or take the secrets from the environment.';
  return [{ path: [], problem: WORLD_READABLE, remedy }];
}

function finish(gathered: Gathered, outcome: Outcome): LoadResult {
  const { document, hidden } = gathered;
  const cover = (text: string) => hidden.reduce((out, value) => coverOne(out, value), text);
  const place = (finding: Finding): Problem => {
    const layer = layerOf(gathered.layers, finding.path) ?? gathered.layers[0];
    const inFile = layer === gathered.layers[0] && gathered.fileName !== NO_FILE;
    const position = inFile ? document.locate(finding.path, finding.at ?? 'value') : undefined;
    return {
      path: cover(formatPath(finding.path)),
      line: position?.line,
      column: position?.column,
      problem: cover(finding.problem),
      remedy: cover(finding.remedy),
      source: layer?.nameOf(finding.path) ?? gathered.fileName,
    };
  };
  const syntax = document.syntax.map((one) => ({ ...place(one), ...one.position }));
  const problems = [...syntax, ...outcome.problems.map(place)].sort(byPlace);
  const config = problems.length === 0 ? outcome.config : undefined;
  return { config, problems, warnings: outcome.warnings.map(place).sort(byPlace) };
}

/** The second net behind "no value is quoted": names that came from a secret are covered. Short texts are no secrets. */
function coverOne(text: string, value: string): string {
  return value.length >= 6 ? text.replaceAll(value, '***') : text;
}

function byPlace(left: Problem, right: Problem): number {
  return (left.line ?? 0) - (right.line ?? 0) || (left.column ?? 0) - (right.column ?? 0);
}
