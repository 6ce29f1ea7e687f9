// `npm run check`: everything that must be green before a commit, two at a time. At most 60 s on two cores.
import { spawn } from 'node:child_process';
import { childEnvironment, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
const node = nodeBinary();
const bin = (name) => `${root}node_modules/.bin/${name}`;

/**
 * What was found sound before is not looked at again while nothing it depends on has changed. Each checker works out the
 * types it meets for itself: more of them than cores only repeat the work.
 */
function noEmit(name) {
  return [
    '--noEmit',
    '--checkers',
    '2',
    '--incremental',
    '--tsBuildInfoFile',
    `${root}node_modules/.sluice/${name}.tsbuildinfo`,
  ];
}

/** In order of how long they take, longest first. */
const checks = [
  [
    'unit, golden, architecture',
    bin('vitest'),
    ['run', '--project', 'unit', '--reporter', 'dot', '--maxWorkers', '2'],
  ],
  ['types', bin('tsc'), ['-p', '.', ...noEmit('types')]],
  ['types of the portal', bin('tsc'), ['-p', 'web', ...noEmit('portal-types')]],
  ['format and lint', bin('biome'), ['ci', '--colors=off', '--error-on-warnings', '.']],
  ['dead code', bin('knip'), []],
  ['catalog fresh', node, ['scripts/generate-catalog.ts', '--check']],
  ['configuration reference fresh', node, ['scripts/generate-config-docs.ts', '--check']],
  ['provider table fresh', node, ['scripts/generate-provider-docs.ts', '--check']],
  ['command reference fresh', node, ['scripts/generate-cli-docs.ts', '--check']],
];

const started = Date.now();
const failed = [];

function run([name, command, args]) {
  return new Promise((resolve) => {
    const from = Date.now();
    const child = spawn(command, args, { cwd: root, env: { ...childEnvironment(), FORCE_COLOR: '0' } });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('close', (code) => {
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'}  ${name}  ${((Date.now() - from) / 1000).toFixed(1)} s`);
      if (code !== 0) {
        failed.push(name);
        console.log(output.slice(-12_000));
      }
      resolve();
    });
  });
}

const queue = [...checks];
async function lane() {
  for (let next = queue.shift(); next; next = queue.shift()) await run(next);
}
await Promise.all([lane(), lane()]);
console.log(
  `${failed.length === 0 ? 'All green' : `Failed: ${failed.join(', ')}`} after ${((Date.now() - started) / 1000).toFixed(1)} s`,
);
process.exit(failed.length === 0 ? 0 : 1);
