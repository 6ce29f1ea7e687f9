import { CASES, LEAVES } from './cases.ts';
import { DIALECTS } from './dialects.ts';
import type { Outcome, Result } from './run.ts';

const BEGIN = '<!-- begin: npm run faults -- --write -->';
const END = '<!-- end -->';

/** Passed and run cells. */
interface Score {
  passed: number;
  run: number;
}

function groupOf({ cell: { what } }: Result): { group: string; name: string } {
  return what.kind === 'leave'
    ? { group: 'F14', name: what.leave.name }
    : { group: what.fault.group, name: what.fault.name };
}

function score(results: readonly Result[]): Score {
  return { run: results.length, passed: results.filter(({ problems }) => problems.length === 0).length };
}

function shown({ passed, run }: Score): string {
  return run === 0 ? '–' : `${passed}/${run}`;
}

/** Every fault with what is expected of it, in order. */
function rows(): readonly { group: string; name: string; expected: string }[] {
  return [...CASES, ...LEAVES.map((leave) => ({ ...leave, group: 'F14' }))];
}

function table(results: readonly Result[]): string {
  const columns = DIALECTS.flatMap((dialect) => [true, false].map((stream) => ({ dialect, stream })));
  const titles = columns.map(({ dialect, stream }) => `${dialect.title}, ${stream ? 'stream' : 'whole'}`);
  const lines = [
    `| | fault | ${titles.join(' | ')} |`,
    `|---|---|${columns.map(() => '---|').join('')}`,
    ...rows().map(({ group, name }) => {
      const own = results.filter((result) => {
        const of = groupOf(result);
        return of.group === group && of.name === name;
      });
      const cells = columns.map(({ dialect, stream }) =>
        shown(score(own.filter(({ cell }) => cell.dialect === dialect && cell.stream === stream))),
      );
      return `| ${group} | \`${name}\` | ${cells.join(' | ')} |`;
    }),
  ];
  return lines.join('\n');
}

/** What is expected, one line for all faults that share a sentence. */
function expectations(): string {
  const bySentence = new Map<string, string[]>();
  for (const { group, name, expected } of rows()) {
    const key = `${group}\n${expected}`;
    bySentence.set(key, [...(bySentence.get(key) ?? []), `\`${name}\``]);
  }
  return [...bySentence]
    .map(([key, names]) => {
      const [group, expected] = key.split('\n');
      return `| ${group} | ${names.join(' ')} | ${expected} |`;
    })
    .join('\n');
}

function failures(results: readonly Result[]): string {
  const failed = results.filter(({ problems }) => problems.length > 0);
  if (failed.length === 0) return '';
  const lines = failed.map(({ cell, problems }) => `- ${cell.title}: ${problems.join('; ')}`);
  return `\n\nCells that fail:\n\n${lines.join('\n')}`;
}

/** The generated part of `docs/reliability.md`. `text` is the page as it is; throws when its marks are missing. */
export function writeReport(text: string, { results, problems }: Outcome, command: string): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error('docs/reliability.md has lost the marks of its generated part');
  const { passed, run } = score(results);
  const rest = problems.length === 0 ? '' : `\n\nOf the run as a whole: ${problems.join('; ')}.`;
  const part = `${BEGIN}
\`${command}\`: **${passed} of ${run} cells pass.** A square counts the upstream formats it was tried with, and failover beside the plain case where there is somebody to fail over to.

${table(results)}${failures(results)}${rest}

What a cell passes by:

| | faults | expected |
|---|---|---|
${expectations()}
`;
  return text.slice(0, from) + part + text.slice(to);
}
