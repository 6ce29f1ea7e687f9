import { defineConfig } from 'vitest/config';
import { SecondGoes } from './test/support/second-goes.ts';

/** Tests that start processes, threads or servers; `npm test` runs them, `npm run check` does not. */
const real = [
  'src/adapters/sqlite/**/*.test.ts',
  'src/adapters/journal/**/*.test.ts',
  'src/app/simulator/**/*.test.ts',
];

/** Of those, the ones that judge time or fill the machine: one after the other, with nothing beside them. */
const timed = [
  'test/faults/**/*.test.ts',
  'test/simulation/**/*.test.ts',
  'test/router/**/*.test.ts',
  ...[
    'approvals',
    'budget-bursts',
    'budget-processes',
    'client-abort',
    'commit',
    'deployments',
    'failover-table',
    'hedge',
    'hostile',
    'hostile-limits',
    'identity-processes',
    'kill',
    'kill-budgets',
    'limit-processes',
    'on-cut',
    'reload',
    'resilience',
    'router-cascade',
    'router-intents',
    'single-flight',
    'slow-body',
    'timeouts',
  ].map((name) => `test/e2e/${name}.test.ts`),
];

/** Tests beside their sources, recorded traffic and rules of the house: quick, no servers. */
const unit = [
  'src/**/*.test.ts',
  'test/golden/**/*.test.ts',
  'test/properties/**/*.test.ts',
  'test/architecture.test.ts',
  'web/src/**/*.test.ts',
];

export default defineConfig({
  test: {
    // Two files at a time on a busy machine: the limit is for what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', new SecondGoes()],
    projects: [
      {
        extends: true,
        test: { name: 'unit', isolate: false, include: unit, exclude: [...real, '**/node_modules/**'] },
      },
      {
        extends: true,
        test: {
          name: 'real',
          include: [...real, 'test/**/*.test.ts'],
          exclude: [...unit.filter((pattern) => pattern.startsWith('test/')), ...timed],
          globalSetup: 'test/support/threads.mjs',
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'timed',
          include: timed,
          // A machine that stands still for a second breaks what they judge. Who needs a second go is named at the end.
          retry: 1,
          globalSetup: 'test/support/threads.mjs',
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
