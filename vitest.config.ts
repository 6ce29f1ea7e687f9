import { defineConfig } from 'vitest/config';

/** Tests beside their sources, recorded traffic and rules of the house: quick, no servers. */
const unit = ['src/**/*.test.ts', 'test/golden/**/*.test.ts', 'test/properties/**/*.test.ts', 'test/architecture.test.ts', 'web/src/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: unit } },
      {
        extends: true,
        test: { name: 'real', include: ['test/**/*.test.ts'], exclude: unit, fileParallelism: false },
      },
    ],
  },
});
