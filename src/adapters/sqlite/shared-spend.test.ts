import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BudgetBook } from '../../core/policy/budget.ts';
import type { OthersSpend } from '../../core/policy/budget-claims.ts';
import type { SharedSpend } from '../../ports/shared-spend.ts';
import { createBudgetStore } from './budget-store.ts';
import { type Database, openDatabase } from './database.ts';
import { createSharedSpend } from './shared-spend.ts';

const NOON = Date.UTC(2026, 0, 7, 12);
const HOUR = 3_600_000;
const LIMIT = 1000;

let directory: string;
let databases: Database[];
let shares: SharedSpend[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-shared-'));
  databases = [];
  for (let slot = 1; slot <= 2; slot++) databases.push(await openDatabase(join(directory, 'sluice.db')));
  shares = databases.map(({ raw }, at) => createSharedSpend(raw, at + 1));
});
afterEach(() => {
  for (const { raw } of databases) raw.close();
  rmSync(directory, { recursive: true });
});

/** One process: a book, and what it really spent and holds. */
class Process {
  readonly book = new BudgetBook();
  readonly share: SharedSpend;
  readonly holds: { id: string; amount: number }[] = [];
  readonly spent: { at: number; nano: number }[] = [];

  constructor(share: SharedSpend, rolling: boolean) {
    this.share = share;
    this.book.define('b', { limitNano: LIMIT, window: 'hour', rolling }, { now: NOON });
    this.book.share(true);
  }

  async reserve(id: string, amount: number, now: number): Promise<void> {
    const wish = { holdId: id, budgetIds: ['b'], amountNano: amount, expiresAt: now + 9 * HOUR };
    if (!this.book.reserve(wish, now).granted) return;
    const claims = this.book.claimsOf(id, now);
    if ((await this.share.claim(claims)) === undefined) {
      this.holds.push({ id, amount });
      return;
    }
    this.book.putBack(claims);
    this.book.release(id);
  }

  settle(share: number, now: number): void {
    const hold = this.holds.shift();
    if (hold === undefined) return;
    const nano = Math.floor(hold.amount * share);
    this.book.settle(hold.id, nano);
    this.spent.push({ at: now, nano });
  }

  async tell(now: number): Promise<void> {
    await this.share.claim(this.book.takeClaims(now));
  }

  async ask(now: number): Promise<void> {
    const rows: OthersSpend[] = [...(await this.share.others(this.book.ranges(undefined, now)))];
    this.book.putOthers('b', rows, now);
  }
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant('reserve' as const),
    who: fc.nat(1),
    amount: fc.integer({ min: 1, max: 400 }),
  }),
  fc.record({
    kind: fc.constant('settle' as const),
    who: fc.nat(1),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ kind: fc.constantFrom('tell' as const, 'ask' as const), who: fc.nat(1) }),
);

test.each([false, true])('two processes never pass a limit together, rolling: %s', async (rolling) => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      run += 1;
      for (const { raw } of databases) raw.exec('DELETE FROM budget_claims; DELETE FROM budget_spend');
      const processes = shares.map((share) => new Process(share, rolling));
      let now = NOON;
      for (const [at, todo] of steps.entries()) {
        now += 20_000;
        const process = processes[todo.who] as Process;
        if (todo.kind === 'reserve') await process.reserve(`${run}-${at}`, todo.amount, now);
        else if (todo.kind === 'settle') process.settle(todo.share, now);
        else await process[todo.kind](now);
        const burden = processes.reduce(
          (sum, { holds, spent }) =>
            sum +
            holds.reduce((all, { amount }) => all + amount, 0) +
            spent.reduce((all, { nano }) => all + nano, 0),
          0,
        );
        expect(burden).toBeLessThanOrEqual(LIMIT);
      }
    }),
    { numRuns: 60 },
  );
});

test('what one has claimed or spent the other knows, and gets back when it is settled', async () => {
  const [one, two] = shares.map((share) => new Process(share, false)) as [Process, Process];
  await one.reserve('a', 900, NOON);
  await two.reserve('b', 200, NOON);
  expect(two.holds).toEqual([]);
  one.settle(0.1, NOON);
  await two.reserve('c', 200, NOON);
  expect(two.holds).toEqual([]);
  await one.tell(NOON);
  await two.ask(NOON);
  expect(two.book.view('b', NOON)).toMatchObject({ heldNano: 90, remainingNano: LIMIT - 90 });
  await two.reserve('d', LIMIT - 90, NOON);
  expect(two.holds).toHaveLength(1);
});

test('what was spent before there was a budget is nobody’s, and told once', async () => {
  const [first, second] = databases as [Database, Database];
  const stores = [createBudgetStore(first.raw, 1), createBudgetStore(second.raw, 2)];
  const put = first.raw.prepare('INSERT INTO budget_spend VALUES (?, ?, ?, ?)');
  put.run('b', 0, 1, 30);
  put.run('b', 0, 2, 12);
  for (const store of stores) {
    const rows = (await store?.begin([{ account: 'b', bucket: 0, nano: 100 }])) ?? [];
    const of = (own: boolean) =>
      rows.filter((row) => row.own === own).reduce((sum, { nano }) => sum + nano, 0);
    expect(of(true) + of(false)).toBe(100);
  }
  expect(await stores[0]?.begin([{ account: 'b', bucket: 0, nano: 5 }])).toHaveLength(2);
  put.run('b/ann', 0, 1, 7);
  await stores[0]?.begin([], 'b');
  expect(await stores[0]?.spendSince(0)).toEqual([]);
});
