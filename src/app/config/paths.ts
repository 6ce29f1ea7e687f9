/** Where a value stands: keys of maps and indexes of lists, from the top. */
export type ConfigPath = readonly (string | number)[];

/** A problem or warning before it is given a line. */
export interface Finding {
  readonly path: ConfigPath;
  /** Whether the key itself or its value is at fault; decides the column. */
  readonly at?: 'key' | 'value';
  /** What is wrong, a sentence. Never holds a value from the file or the environment. */
  readonly problem: string;
  /** What to do about it, a sentence. */
  readonly remedy: string;
}

/** Collects findings: `problem` for what must be mended, `warn` for what should be looked at. */
export interface Report {
  problem(finding: Finding): void;
  warn(finding: Finding): void;
}

/** A problem or warning as shown: `path: problem remedy`, with its place. */
export interface Problem {
  /** For example `models.gpt-4o.deployments[0].provider`; `(document)` where no key can be named. */
  readonly path: string;
  /** One-based line in the file; `undefined` when it does not come from the file. */
  readonly line: number | undefined;
  /** One-based column in the file; `undefined` when it does not come from the file. */
  readonly column: number | undefined;
  readonly problem: string;
  readonly remedy: string;
  /** The file's name, an environment variable, a flag, or `admin overrides`. */
  readonly source: string;
}

/** What stands for a secret when a configuration is shown. */
export const MASK = '********';

/** Writes a path for people: names with unusual characters are quoted, names that may hold a secret are not shown. */
export function formatPath(path: ConfigPath): string {
  let out = '';
  for (const part of path) {
    if (typeof part === 'number') out += `[${part}]`;
    else if (/^[A-Za-z0-9_*@/:+-]+$/.test(part) && !looksSecret(part)) out += out === '' ? part : `.${part}`;
    else out += `[${quoteName(part)}]`;
  }
  return out === '' ? '(document)' : out;
}

/** A name in quotes, or its length where it may be a secret that slipped into the place of a name. */
export function quoteName(name: string): string {
  const plain = /^[A-Za-z0-9_*@/:+. -]{1,64}$/.test(name) && !looksSecret(name);
  return plain ? `"${name}"` : `(a name of ${name.length} characters)`;
}

/** Whether text looks like a credential: a known prefix, or a long run of letters and digits without words. */
function looksSecret(name: string): boolean {
  if (/\b(sk|pk|rk|xai|gsk|ghp|hf|r8|pplx)[-_]|AIza|AKIA|eyJ|Bearer /.test(name)) return true;
  return (name.match(/[A-Za-z0-9]{20,}/g) ?? []).some((run) => /\d/.test(run) && /[A-Za-z]/.test(run));
}

/** Whether a value is a map of keys, as opposed to a list or a scalar. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One line for a terminal or a log. */
export function formatProblem(problem: Problem): string {
  const place =
    problem.line === undefined ? problem.source : `${problem.source}:${problem.line}:${problem.column}`;
  return `${problem.path}: ${problem.problem} ${problem.remedy} (${place})`;
}
