// What learning 10,000 labels takes, and what the thread that serves requests feels of it: node scripts/measure-learning.ts
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { openTrainer } from '../src/adapters/route-learner/trainer.ts';
import { systemClock } from '../src/adapters/system/clock.ts';
import { asExample, BENCHMARKS, hasData, loadRows } from './eval-router/data.ts';

const LABELS = 10_000;
const PRIOR = fileURLToPath(new URL('../src/core/routing/model/router-prior.bin', import.meta.url));

/** The longest turn of this thread, in milliseconds that passed and of its CPU time, which other load does not stretch. */
function watchTurns() {
  const longest = { passed: 0, cpu: 0 };
  const now = () => {
    const { user, system } = process.threadCpuUsage();
    return { passed: performance.now(), cpu: (user + system) / 1000 };
  };
  let last = now();
  const timer = setInterval(() => {
    const next = now();
    longest.passed = Math.max(longest.passed, next.passed - last.passed - 1);
    longest.cpu = Math.max(longest.cpu, next.cpu - last.cpu);
    last = next;
  }, 1);
  return () => {
    clearInterval(timer);
    return `${longest.passed.toFixed(1)} ms (${longest.cpu.toFixed(1)} ms of CPU time)`;
  };
}

if (!hasData()) {
  console.error('The data is not here: it lies in shared/router beside the repository.');
  process.exit(1);
}
const examples = BENCHMARKS.flatMap((name) => loadRows(name))
  .slice(0, LABELS)
  .map(asExample);
const characters = examples.reduce((sum, { prompt }) => sum + prompt.length, 0);
const trainer = openTrainer(systemClock, PRIOR);
const wish = { heldBack: [], promise: { epsilon: 0.02, delta: 0.1 }, ground: { share: 1, bias: 0 } };
// The thread starts, and compiles what it runs.
await trainer.train({ ...wish, examples: examples.slice(0, 400), scorer: 'warm' });
const quiet = watchTurns();
await new Promise((resolve) => setTimeout(resolve, 3000));
const before = quiet();
const turns = watchTurns();
const cpu = process.cpuUsage();
const from = performance.now();
const trained = await trainer.train({ ...wish, examples, scorer: 'measured' });
const seconds = (performance.now() - from) / 1000;
const used = process.cpuUsage(cpu);
const longest = turns();
await trainer.close();
console.log(
  `${examples.length} labels, ${(characters / 1e6).toFixed(1)} million characters; load of the machine ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}
learned in ${seconds.toFixed(1)} s on a thread of its own, ${((used.user + used.system) / 1e6).toFixed(1)} s of CPU time in the process
request thread: longest turn ${longest} while learning, ${before} in 3 s of nothing
learned part ${((trained?.learned.length ?? 0) / 1e6).toFixed(2)} MB`,
);
