/*
 * Writes docs/compatibility.md from a run of the matrix in test/conformance: every client dialect through every upstream
 * format. `--check` writes nothing and fails when the page is stale. The raw result lies in test/artefacts.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ANSWER_LOSSES } from '../test/conformance/support/losses.ts';
import { type Cell, runMatrix } from '../test/conformance/support/matrix.ts';

const TARGET = fileURLToPath(new URL('../docs/compatibility.md', import.meta.url));
const ARTEFACT = fileURLToPath(new URL('../test/artefacts/compatibility.json', import.meta.url));

/** What a request's content becomes where the target has no place for it as it stands. */
const REWRITTEN: readonly string[] = [
  'Instructions in the middle of a conversation stay in place as user text between `<system>` marks where the target takes a system prompt only at the start.',
  'Images and files inside a tool result follow it as user content where results are text only.',
  'A text document becomes its title and text where documents are files only.',
  'Results that are JSON objects travel as objects where the target wants objects; other results are wrapped.',
  'A choice of one tool offers that tool alone and requires a call; a choice of `none` offers no tools, where the target has no such word.',
  'Tool-call ids are re-written to the target’s shape and back; reasoning of another vendor’s models is left out and named.',
  'Sampling values beyond the target’s range are cut to it and named; parameters that the model refuses are left out and named.',
];

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

function unique<Item>(items: readonly Item[]): Item[] {
  return [...new Set(items)];
}

function mark({ result, notes }: Cell, footnote: (text: string) => number): string {
  switch (result) {
    case 'carried':
      return '✓';
    case 'told':
      return `✓ without ${notes.map(code).join(', ')}`;
    case 'refused':
      return `refused [${footnote(notes[0] ?? '')}]`;
    case 'absent':
      return '–';
    default:
      throw new Error(`the matrix has a failed cell: ${JSON.stringify({ result, notes })}`);
  }
}

function table(dialect: string, cells: readonly Cell[], footnote: (text: string) => number): string[] {
  const mine = cells.filter((cell) => cell.dialect === dialect);
  const formats = unique(mine.map(({ format }) => format));
  const rows = unique(mine.map(({ feature }) => feature)).map((feature) => {
    const marks = formats.map((format) => {
      const cell = mine.find((entry) => entry.feature === feature && entry.format === format);
      return cell === undefined ? '' : mark(cell, footnote);
    });
    return `| ${feature} | ${marks.join(' | ')} |`;
  });
  const losses = (ANSWER_LOSSES[dialect] ?? []).map(({ what }) => `- ${what}`);
  return [
    `## ${code(dialect)} clients`,
    '',
    `| feature | ${formats.map(code).join(' | ')} |`,
    `|---|${formats.map(() => '---').join('|')}|`,
    ...rows,
    '',
    'What no mapping can carry in an answer to such a client:',
    '',
    ...losses,
    '',
  ];
}

function render(cells: readonly Cell[]): string {
  const sentences: string[] = [];
  const footnote = (text: string): number => {
    if (!sentences.includes(text)) sentences.push(text);
    return sentences.indexOf(text) + 1;
  };
  const tables = unique(cells.map(({ dialect }) => dialect)).flatMap((dialect) =>
    table(dialect, cells, footnote),
  );
  return [
    '<!-- Written by scripts/generate-compatibility.ts from a run of test/conformance; do not edit. -->',
    '',
    '# Compatibility',
    '',
    'Every client dialect through every upstream format. Each cell was run twice, streamed and whole, by the vendor’s own SDK',
    'through a running gateway against the simulator: the SDK’s strict helper accepted the answer, the streamed answer equalled',
    'the whole one, the client got what the upstream said, and the upstream got what the client asked.',
    '',
    '- ✓: carried entirely, but for the losses listed under the table',
    '- ✓ without `name`: carried; the header `x-sluice-dropped` names what was left out',
    '- refused: answered with 422 before anything is sent, with the sentence below; nothing is left out silently',
    '- –: the dialect itself has no way to say it',
    '',
    ...tables,
    '## Refusals',
    '',
    ...sentences.map((sentence, at) => `${at + 1}. ${sentence}`),
    '',
    'Tools that run at a vendor (web search, code execution, computer use), state kept at a vendor (`previous_response_id`,',
    'uploaded files) and media a format has no part for are refused in the same way, by the field’s name.',
    '',
    '## Rewritten, not lost',
    '',
    ...REWRITTEN.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

async function main(): Promise<void> {
  const cells = await runMatrix();
  mkdirSync(new URL('.', `file://${ARTEFACT}`), { recursive: true });
  writeFileSync(ARTEFACT, JSON.stringify(cells, null, 1));
  const fresh = render(cells);
  if (!process.argv.includes('--check')) {
    writeFileSync(TARGET, fresh);
    console.log(`wrote ${TARGET}`);
    return;
  }
  let current = '';
  try {
    current = readFileSync(TARGET, 'utf8');
  } catch {
    // A missing page is stale too.
  }
  if (current === fresh) return;
  console.error(
    'docs/compatibility.md is stale: run `node scripts/generate-compatibility.ts` and commit the result.',
  );
  process.exitCode = 1;
}

await main();
