import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import type { ConditionFacts } from './types.ts';

/** Bounds of one condition; together with the bounded facts they bound the work of evaluating it. */
const LIMITS = {
  maxAstNodes: 400,
  maxDepth: 24,
  maxListElements: 64,
  maxMapEntries: 16,
  maxCallArguments: 8,
};
/** Comprehensions (`exists`, `all`, `map`, `filter`) inside each other. */
const MAX_NESTED = 2;
const MAX_SOURCE = 4096;
/** Longest text a pattern is matched against. UTF-16 units. */
const MAX_MATCHED = 8192;
/** Compiled patterns kept; conditions come from the operator, so there are few. */
const MAX_PATTERNS = 512;

const COMPREHENSIONS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

const patterns = new Map<string, RE2JS>();

function patternOf(source: string): RE2JS {
  let pattern = patterns.get(source);
  if (pattern === undefined) {
    pattern = RE2JS.compile(source);
    if (patterns.size >= MAX_PATTERNS) patterns.clear();
    patterns.set(source, pattern);
  }
  return pattern;
}

/**
 * The engine's own `matches` backtracks. Its name cannot be taken, so calls are written as `rematch` before evaluation:
 * as long, which leaves every position where it was.
 */
const LINEAR = 'rematch';

const ENVIRONMENT = new Environment({ limits: LIMITS })
  .registerFunction(`string.${LINEAR}(string): bool`, (text: string, pattern: string) =>
    patternOf(pattern).matcher(text.slice(0, MAX_MATCHED)).find(),
  )
  .registerVariable('model', 'string')
  .registerVariable('tags', 'map<string, string>')
  .registerVariable('headers', 'map<string, string>')
  .registerVariable('metadata', 'map<string, dyn>')
  .registerVariable({ name: 'key', schema: { id: 'string', name: 'string', team: 'string' } })
  .registerVariable('team', 'string')
  .registerVariable({ name: 'time', schema: { hour: 'int', minute: 'int', weekday: 'int' } })
  .registerVariable('tokens', 'int')
  .registerVariable('tools', 'list<string>')
  .registerVariable('images', 'int')
  .registerVariable('stream', 'bool')
  .registerVariable('system_hash', 'string')
  .registerVariable('task', 'string')
  .registerVariable('language', 'string');

/** What is wrong with a condition. */
export interface ConditionFault {
  /** A sentence without a full stop. */
  readonly problem: string;
  /** First character at fault, from 1. */
  readonly column: number;
  readonly remedy: string;
}

/** A condition that was understood. */
export interface Condition {
  readonly source: string;
  /** A sentence instead of a verdict where the facts lack what the condition asks for. */
  holds(facts: ConditionFacts): boolean | string;
}

const NAMES =
  'Conditions know model, tags, headers, metadata, key (id, name, team), team, time (hour, minute, weekday), tokens, tools, images, stream, system_hash, task and language.';

const REMEDIES: Readonly<Record<string, string>> = {
  unknown_variable: NAMES,
  no_such_key: NAMES,
  no_such_overload: 'Compare values of one type: text in quotes, whole numbers without.',
  unexpected_token: 'Write a condition such as tags.feature == "support-bot" && tokens < 2000.',
};

function childrenOf(node: ASTNode): ASTNode[] {
  const found: ASTNode[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    else if (typeof value === 'object' && value !== null && 'op' in value) found.push(value as ASTNode);
  };
  visit(node.args);
  return found;
}

function faultAt(node: ASTNode, problem: string, remedy: string): ConditionFault {
  return { problem, column: node.start + 1, remedy };
}

function patternFault(node: ASTNode, pattern: ASTNode | undefined): ConditionFault | undefined {
  const value: unknown = pattern?.op === 'value' ? pattern.args : undefined;
  if (typeof value !== 'string') {
    return faultAt(node, '`matches` needs a pattern in quotes', 'Write the pattern itself, not a variable.');
  }
  try {
    patternOf(value);
    return undefined;
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error);
    return faultAt(node, `the pattern ${JSON.stringify(value)} is not valid: ${says}`, 'Write RE2 syntax.');
  }
}

/** Finds what would make evaluation unbounded, and where `matches` is called. */
function inspect(node: ASTNode, nested: number, matches: number[]): ConditionFault | undefined {
  let depth = nested;
  if (node.op === 'rcall') {
    const [name, receiver, given] = node.args as [string, ASTNode, ASTNode[]];
    if (name === 'bind') return faultAt(node, '`cel.bind` is not allowed', 'Write the value out.');
    if (COMPREHENSIONS.has(name)) depth++;
    if (depth > MAX_NESTED) {
      return faultAt(node, `more than ${MAX_NESTED} loops stand inside each other`, 'Split the condition.');
    }
    if (name === 'matches') {
      const fault = patternFault(node, given[0]);
      if (fault !== undefined) return fault;
      matches.push(node.input.indexOf('matches', receiver.end));
    }
  }
  for (const child of childrenOf(node)) {
    const fault = inspect(child, depth, matches);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOf(error: unknown): ConditionFault {
  const known = error as { code?: string; summary?: string; message?: string; range?: { start: number } };
  const problem = (known.summary ?? known.message ?? String(error)).replaceAll(LINEAR, 'matches');
  return {
    problem: problem.split('\n')[0] ?? problem,
    column: (known.range?.start ?? 0) + 1,
    remedy: REMEDIES[known.code ?? ''] ?? 'See docs/guides/router.md, "Rules".',
  };
}

/** Numbers as the engine wants them. */
function toValues(facts: ConditionFacts): Record<string, unknown> {
  const { time, key } = facts;
  return {
    model: facts.model,
    tags: facts.tags,
    headers: facts.headers,
    metadata: facts.metadata,
    key,
    team: key.team,
    time: { hour: BigInt(time.hour), minute: BigInt(time.minute), weekday: BigInt(time.weekday) },
    tokens: BigInt(Math.trunc(facts.tokens)),
    tools: facts.tools,
    images: BigInt(facts.images),
    stream: facts.stream,
    system_hash: facts.systemHash,
    task: facts.task,
    language: facts.language,
  };
}

/**
 * Parses and type-checks a condition (Common Expression Language). Patterns match in linear time, loops nest at most twice
 * and there is no recursion, so an evaluation is bounded by the condition's and the facts' size.
 */
export function compileCondition(source: string): Condition | ConditionFault {
  if (source.length > MAX_SOURCE) {
    return { problem: `has more than ${MAX_SOURCE} characters`, column: 1, remedy: 'Split it into rules.' };
  }
  try {
    const matches: number[] = [];
    const fault = inspect(ENVIRONMENT.parse(source).ast, 0, matches);
    if (fault !== undefined) return fault;
    let text = source;
    for (const at of matches) text = text.slice(0, at) + LINEAR + text.slice(at + LINEAR.length);
    const checked = ENVIRONMENT.check(text);
    if (!checked.valid) return faultOf(checked.error);
    if (checked.type !== 'bool') {
      return {
        problem: `gives a value of type ${checked.type}, not true or false`,
        column: 1,
        remedy: 'Compare it with something.',
      };
    }
    const run = ENVIRONMENT.parse(text);
    return {
      source,
      holds(facts) {
        // A tag that is missing is usual and thrown as an error; where it was thrown nobody reads, and finding out is dear.
        const { stackTraceLimit } = Error;
        Error.stackTraceLimit = 0;
        try {
          return run(toValues(facts)) === true;
        } catch (error) {
          return faultOf(error).problem;
        } finally {
          Error.stackTraceLimit = stackTraceLimit;
        }
      },
    };
  } catch (error) {
    return faultOf(error);
  }
}

/** Whether a compiled condition is sound. */
export function isCondition(compiled: Condition | ConditionFault): compiled is Condition {
  return 'holds' in compiled;
}

/** What is wrong with a condition, with its place, and what to do; `undefined` when it is sound. */
export function conditionFault(
  source: string,
): { readonly problem: string; readonly remedy: string } | undefined {
  const compiled = compileCondition(source);
  if (isCondition(compiled)) return undefined;
  return { problem: `${compiled.problem} (at character ${compiled.column})`, remedy: compiled.remedy };
}
