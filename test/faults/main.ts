import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CASES, LEAVES } from './cases.ts';
import { DIALECTS } from './dialects.ts';
import { planCells } from './plan.ts';
import { writeReport } from './report.ts';
import { runCells } from './run.ts';
import { FORMATS } from './stand.ts';

const PAGE = fileURLToPath(new URL('../../docs/reliability.md', import.meta.url));

const HELP = `npm run faults -- [options]

Starts a gateway with simulated upstreams and tries every fault in every client dialect, streamed and whole, against an
upstream of the same format and one of another: a few minutes.

  --full         every upstream format with every dialect
  --sample       every fault once or twice, over dialects and formats in turn: under a minute
  --only LIST    faults, groups, dialects, formats, stream, whole, direct, failover, leave; comma separated, + joins
  --lanes N      cells at a time (default 6)
  --write        put the result into docs/reliability.md
  --json         print the results as JSON
  --list         print the faults and what is expected, and run nothing
  --help

Example: npm run faults -- --only F8+gemini,e429
It ends with 0 when every cell passes.
`;

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    sample: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    lanes: { type: 'string', default: '6' },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function print(text: string): void {
  process.stdout.write(text);
}

function complain(text: string): void {
  process.stderr.write(text);
}

function list(): void {
  for (const { group, name, expected } of CASES) print(`${group.padEnd(4)} ${name.padEnd(22)} ${expected}\n`);
  for (const { name, expected } of LEAVES) print(`F14  ${name.padEnd(24)} ${expected}\n`);
  print(
    `\ndialects  ${DIALECTS.map(({ id }) => id).join(' ')}\nformats   ${FORMATS.map(({ id }) => id).join(' ')}\n`,
  );
}

async function run(): Promise<boolean> {
  const only = values.only.split(',').filter(Boolean);
  const lanes = Math.max(1, Number.parseInt(values.lanes, 10) || 1);
  const cells = planCells({ full: values.full, sample: values.sample, only });
  if (cells.length === 0) {
    complain(`Nothing is called ${values.only}. --list shows the words.\n`);
    return false;
  }
  const startedAt = Date.now();
  let [done, failed] = [0, 0];
  const outcome = await runCells(cells, lanes, ({ cell, problems }) => {
    done++;
    if (problems.length > 0) {
      failed++;
      complain(`\r\u001b[K${cell.title}: ${problems.join('; ')}\n`);
    }
    if (process.stderr.isTTY) complain(`\r\u001b[K${done} of ${cells.length} cells, ${failed} failed`);
    else if (done % 250 === 0) complain(`${done} of ${cells.length} cells, ${failed} failed\n`);
  });
  if (process.stderr.isTTY) complain('\r\u001b[K');
  for (const problem of outcome.problems) complain(`${problem}\n`);
  if (values.write) {
    const flags = values.full ? ' -- --full' : '';
    writeFileSync(PAGE, writeReport(readFileSync(PAGE, 'utf8'), outcome, `npm run faults${flags}`));
  }
  if (values.json) {
    const rows = outcome.results.map(({ cell, problems, tookMs }) => ({
      cell: cell.title,
      passed: problems.length === 0,
      problems,
      took_ms: Math.round(tookMs),
    }));
    print(`${JSON.stringify({ cells: rows, problems: outcome.problems }, null, 1)}\n`);
  } else print(`${done - failed} of ${done} cells pass, ${((Date.now() - startedAt) / 1000).toFixed(0)} s\n`);
  return failed === 0 && outcome.problems.length === 0;
}

if (values.help) print(HELP);
else if (values.list) list();
else if (values.write && (values.only !== '' || values.sample)) {
  complain('--write takes a whole run: leave out --only and --sample.\n');
  process.exitCode = 2;
} else if (!(await run())) process.exitCode = 1;
