import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BENCHMARKS, hasData, loadRows } from './eval-router/data.ts';
import type { Rows } from './eval-router/measure.ts';
import { report } from './eval-router/report.ts';

const TARGET = fileURLToPath(new URL('../docs/router-evaluation.md', import.meta.url));

if (process.argv.includes('--help')) {
  console.log(`npm run eval:router -- [options]

  --quick        fewer random splits, for a first impression
  --write        put the result into docs/router-evaluation.md
  --help
`);
  process.exit(0);
}
if (!hasData()) {
  console.error('The evaluation data is not here: it lies in shared/router beside the repository.');
  process.exit(1);
}
const quick = process.argv.includes('--quick');
const rows = Object.fromEntries(BENCHMARKS.map((name) => [name, loadRows(name)])) as unknown as Rows;
const started = performance.now();
const text = report(rows, quick, (step) =>
  console.error(`${((performance.now() - started) / 1000).toFixed(0)} s  ${step}`),
);
if (process.argv.includes('--write')) {
  writeFileSync(TARGET, text);
  console.error('Wrote docs/router-evaluation.md.');
} else console.log(text);
