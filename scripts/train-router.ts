import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BENCHMARKS, hasData, loadRows } from './eval-router/data.ts';
import { makePrior } from './eval-router/recipe.ts';

const TARGET = fileURLToPath(new URL('../src/core/routing/model/router-prior.bin', import.meta.url));

if (process.argv.includes('--help')) {
  console.log(`npm run train:router

Makes the router's shipped weights anew from shared/router beside the repository.
`);
  process.exit(0);
}
if (!hasData()) {
  console.error('The training data is not here: it lies in shared/router beside the repository.');
  process.exit(1);
}
const started = performance.now();
const bytes = makePrior(Object.fromEntries(BENCHMARKS.map((benchmark) => [benchmark, loadRows(benchmark)])));
writeFileSync(TARGET, bytes);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`Wrote ${(bytes.length / 1e6).toFixed(2)} MB of weights in ${seconds} s.`);
