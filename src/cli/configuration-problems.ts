import type { Problem } from '../app/config/index.ts';
import { CliFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { clean } from './text.ts';

/** A problem as JSON tells it. */
export function problemJson(problem: Problem) {
  return {
    path: problem.path,
    file: problem.source,
    line: problem.line ?? null,
    problem: problem.problem,
    remedy: problem.remedy,
  };
}

/** Two lines per problem: what is wrong where, and what to do. */
export function problemLines(
  problem: Problem,
  kind: 'problem' | 'warning',
  paint: Terminal['paint'],
): readonly string[] {
  const line = problem.line === undefined ? '' : `, line ${problem.line}`;
  const mark = kind === 'problem' ? paint('red', '✗') : paint('yellow', '!');
  const place = paint('dim', `(${clean(problem.source)}${line})`);
  return [
    `${mark} ${paint('bold', clean(problem.path))}: ${clean(problem.problem)} ${place}`,
    `    ${paint('cyan', '→')} ${clean(problem.remedy)}`,
  ];
}

/** A configuration that cannot be used; carries its problems so that JSON can hold them. */
export class UnusableConfiguration extends CliFailure {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const [first] = problems;
    const what = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super(
      'bad_configuration',
      `The configuration has ${what}: ${first?.path ?? ''}: ${first?.problem ?? ''} ${first?.remedy ?? ''}`.trim(),
    );
    this.problems = problems;
  }
}
