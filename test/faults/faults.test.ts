import { expect, it } from 'vitest';
import { planCells } from './plan.ts';
import { runCells } from './run.ts';

/** Every fault once or twice, over dialects and formats in turn; `npm run faults` tries them all with each other. */
it('survives every fault of an upstream', { timeout: 180_000 }, async () => {
  const cells = planCells({ full: false, only: [], sample: true });
  const { results, problems } = await runCells(cells, 8, () => {});
  const failed = results.filter((result) => result.problems.length > 0);
  expect(failed.map(({ cell, problems: found }) => `${cell.title}: ${found.join('; ')}`)).toEqual([]);
  expect(problems).toEqual([]);
  expect(results.length).toBe(cells.length);
});
