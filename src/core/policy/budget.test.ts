import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BudgetBook, windowEndOf, windowStartOf } from './budget.ts';
import type { BudgetWindow } from './virtual-key.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOON = Date.UTC(2026, 0, 7, 12);
const WINDOWS: BudgetWindow[] = ['hour', 'day', 'week', 'month', 'total'];

function book(limitNano: number, window: BudgetWindow = 'day'): BudgetBook {
  const budgets = new BudgetBook();
  budgets.define('b', { limitNano, window }, { now: NOON });
  return budgets;
}

const wish = (holdId: string, amountNano: number, more = {}) => ({
  holdId,
  budgetIds: ['b'],
  amountNano,
  expiresAt: NOON + DAY * 400,
  ...more,
});

test('reserves up to the limit and not beyond', () => {
  const budgets = book(100);
  expect(budgets.reserve(wish('1', 60), NOON)).toEqual({ granted: true });
  expect(budgets.reserve(wish('2', 41), NOON)).toEqual({ granted: false, refusedBy: 'b' });
  expect(budgets.reserve(wish('3', 40), NOON)).toEqual({ granted: true });
  expect(budgets.view('b', NOON)).toMatchObject({ settledNano: 0, heldNano: 100, remainingNano: 0 });
});

test('settles once, whatever comes later', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 60), NOON);
  expect(budgets.settle('1', 25)).toBe(true);
  expect(budgets.settle('1', 25)).toBe(false);
  expect(budgets.release('1')).toBe(false);
  expect(budgets.view('b', NOON)).toMatchObject({ settledNano: 25, heldNano: 0, remainingNano: 75 });
});

test('spend above the hold counts in full and remaining stays at 0', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 100), NOON);
  budgets.settle('1', 130);
  expect(budgets.view('b', NOON)).toMatchObject({ settledNano: 130, remainingNano: 0 });
  expect(budgets.reserve(wish('2', 0), NOON).granted).toBe(false);
});

test('all budgets of a request hold, or none', () => {
  const budgets = book(100);
  budgets.define('small', { limitNano: 10, window: 'day' }, { now: NOON });
  const both = wish('1', 50, { budgetIds: ['b', 'small'] });
  expect(budgets.reserve(both, NOON)).toEqual({ granted: false, refusedBy: 'small' });
  expect(budgets.view('b', NOON)?.heldNano).toBe(0);
  expect(budgets.openHolds).toBe(0);
});

test('the same hold twice is held once', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 60), NOON);
  expect(budgets.reserve(wish('1', 60), NOON)).toEqual({ granted: true });
  expect(budgets.view('b', NOON)?.heldNano).toBe(60);
});

test('a lost hold is charged in full', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 60, { expiresAt: NOON + 1000 }), NOON);
  expect(budgets.expire(NOON + 999)).toEqual([]);
  expect(budgets.expire(NOON + 1000)).toEqual(['1']);
  expect(budgets.view('b', NOON)).toMatchObject({ settledNano: 60, heldNano: 0 });
  expect(budgets.settle('1', 5)).toBe(false);
});

test('a hold belongs to the window it was made in', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 60), NOON);
  const tomorrow = NOON + DAY;
  expect(budgets.view('b', tomorrow)).toMatchObject({ settledNano: 0, heldNano: 0, remainingNano: 100 });
  budgets.reserve(wish('2', 30), tomorrow);
  budgets.settle('1', 60);
  expect(budgets.view('b', tomorrow)).toMatchObject({ settledNano: 0, heldNano: 30 });
});

test('a clock that jumps does not empty a window twice', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 50), NOON + DAY);
  budgets.settle('1', 50);
  expect(budgets.view('b', NOON)?.settledNano).toBe(50);
  expect(budgets.view('b', NOON - 30 * DAY)?.settledNano).toBe(50);
  expect(budgets.view('b', NOON + DAY)?.settledNano).toBe(50);
  expect(budgets.view('b', NOON + 2 * DAY)?.settledNano).toBe(0);
});

test('a changed limit keeps the spend, a changed window begins anew', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 50), NOON);
  budgets.settle('1', 50);
  budgets.define('b', { limitNano: 40, window: 'day' }, { now: NOON });
  expect(budgets.view('b', NOON)).toMatchObject({ limitNano: 40, settledNano: 50, remainingNano: 0 });
  budgets.define('b', { limitNano: 40, window: 'month' }, { now: NOON, settledNano: 7 });
  expect(budgets.view('b', NOON)).toMatchObject({ settledNano: 7, remainingNano: 33 });
});

test('a cost that is no number charges the hold', () => {
  const budgets = book(100);
  budgets.reserve(wish('1', 60), NOON);
  budgets.settle('1', Number.NaN);
  expect(budgets.view('b', NOON)?.settledNano).toBe(60);
});

test('an unknown budget limits nothing', () => {
  expect(book(1).reserve(wish('1', 5, { budgetIds: ['other'] }), NOON).granted).toBe(true);
});

test('windows follow the UTC calendar', () => {
  const at = Date.UTC(2026, 1, 28, 23, 59);
  const iso = (window: BudgetWindow) => new Date(windowStartOf(window, at)).toISOString().slice(0, 13);
  expect(WINDOWS.slice(0, 4).map(iso)).toEqual([
    '2026-02-28T23',
    '2026-02-28T00',
    '2026-02-23T00',
    '2026-02-01T00',
  ]);
  expect(windowStartOf('total', at)).toBe(0);
  expect(windowEndOf('month', windowStartOf('month', at))).toBe(Date.UTC(2026, 2, 1));
});

test('every moment lies in exactly one window', () => {
  const moment = fc.integer({ min: 0, max: 4_102_444_800_000 });
  fc.assert(
    fc.property(moment, fc.constantFrom<BudgetWindow>('hour', 'day', 'week', 'month'), (at, window) => {
      const start = windowStartOf(window, at);
      const end = windowEndOf(window, start) ?? 0;
      expect(start).toBeLessThanOrEqual(at);
      expect(end).toBeGreaterThan(at);
      expect(windowStartOf(window, end)).toBe(end);
      expect(windowStartOf(window, end - 1)).toBe(start);
    }),
  );
});

const step = fc.oneof(
  fc.record({ do: fc.constant('reserve' as const), id: fc.nat(20), amount: fc.nat(400) }),
  fc.record({ do: fc.constant('settle' as const), id: fc.nat(20), amount: fc.nat(400) }),
  fc.record({ do: fc.constant('release' as const), id: fc.nat(20), amount: fc.constant(0) }),
);

test('money is conserved under any interleaving of one window', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const budgets = book(1000, 'total');
      const open = new Map<string, number>();
      let spent = 0;
      for (const { do: what, id, amount } of steps) {
        const holdId = String(id);
        if (what === 'reserve') {
          const before = budgets.view('b', NOON);
          const { granted } = budgets.reserve(wish(holdId, amount), NOON);
          const fits = (before?.settledNano ?? 0) + (before?.heldNano ?? 0) + amount <= 1000;
          expect(granted).toBe(open.has(holdId) || fits);
          if (granted && !open.has(holdId)) open.set(holdId, amount);
        } else {
          expect(budgets.settle(holdId, amount)).toBe(open.has(holdId));
          if (open.delete(holdId)) spent += amount;
        }
        const held = [...open.values()].reduce((sum, part) => sum + part, 0);
        expect(budgets.view('b', NOON)).toMatchObject({ settledNano: spent, heldNano: held });
      }
      for (const id of open.keys()) budgets.release(id);
      expect(budgets.view('b', NOON)?.heldNano).toBe(0);
      expect(budgets.openHolds).toBe(0);
    }),
  );
});

test('nothing is negative and nothing leaks whatever the clock does', () => {
  const timed = fc.record({ step, jump: fc.integer({ min: -3 * DAY, max: 3 * DAY }) });
  fc.assert(
    fc.property(fc.array(timed, { maxLength: 100 }), fc.constantFrom(...WINDOWS), (steps, window) => {
      const budgets = book(1000, window);
      let now = NOON;
      let newest = 0;
      for (const { step: move, jump } of steps) {
        now += jump;
        if (move.do === 'reserve') budgets.reserve(wish(String(move.id), move.amount), now);
        else budgets.settle(String(move.id), move.amount);
        const view = budgets.view('b', now);
        expect(
          Math.min(view?.settledNano ?? -1, view?.heldNano ?? -1, view?.remainingNano ?? -1),
        ).toBeGreaterThanOrEqual(0);
        expect(view?.windowStart).toBeGreaterThanOrEqual(newest);
        newest = view?.windowStart ?? 0;
      }
      budgets.expire(Number.MAX_SAFE_INTEGER);
      expect(budgets.openHolds).toBe(0);
      expect(budgets.view('b', now)?.heldNano).toBe(0);
    }),
  );
});
