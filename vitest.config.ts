import { defineConfig } from 'vitest/config';
import { SecondGoes } from './test/support/second-goes.ts';

/** Tests that start processes, threads or servers, that train, or try hundreds of chances; `npm test` runs them, `npm run check` does not. */
const real = [
  'src/adapters/sqlite/**/*.test.ts',
  'src/adapters/journal/**/*.test.ts',
  'src/app/simulator/**/*.test.ts',
  'src/core/routing/{model,promise,risk}/**/*.test.ts',
  'src/app/config/mutations.test.ts',
];

/** The ones that judge time or fill the machine: one after the other, with nothing beside them. */
const timed = [
  'src/adapters/http1/**/*.test.ts',
  'src/app/config/watch.test.ts',
  'src/app/simulator.test.ts',
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
    'plain-requests',
    'reload',
    'resilience',
    'router-cascade',
    'router-intents',
    'scim',
    'sign-in-linking',
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
    // Two files at a time on a busy machine: these limits are for what hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    reporters: ['default', new SecondGoes()],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          isolate: false,
          include: unit,
          exclude: [...real, ...timed, '**/node_modules/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'real',
          include: [...real, 'test/**/*.test.ts'],
          exclude: [...unit.filter((pattern) => pattern.startsWith('test/')), ...timed],
          globalSetup: 'test/support/programs.mjs',
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'timed',
          include: timed,
          globalSetup: 'test/support/programs.mjs',
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
