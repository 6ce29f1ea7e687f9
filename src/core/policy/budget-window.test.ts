import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BudgetBook, readCharges } from './budget.ts';
import { isTimeZone, windowEndOf, windowStartOf } from './budget-window.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** With clocks that change by an hour or half of one, at midnight, and far from UTC. */
const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'America/Santiago',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Asia/Beirut',
  'Africa/Cairo',
  'Pacific/Apia',
  'America/St_Johns',
  'Pacific/Kiritimati',
];
const moment = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2040, 0) });

test('every moment lies in exactly one window of any zone', () => {
  fc.assert(
    fc.property(
      moment,
      fc.constantFrom('hour' as const, 'day' as const, 'week' as const, 'month' as const),
      fc.constantFrom(...ZONES),
      (at, window, zone) => {
        const start = windowStartOf(window, at, zone);
        const end = windowEndOf(window, start, zone) ?? 0;
        expect(start).toBeLessThanOrEqual(at);
        expect(end).toBeGreaterThan(at);
        expect(windowStartOf(window, start, zone)).toBe(start);
        expect(windowStartOf(window, end, zone)).toBe(end);
        expect(windowStartOf(window, end - 1, zone)).toBe(start);
      },
    ),
    { numRuns: 300 },
  );
});

test('days in which clocks change are 23 and 25 hours long', () => {
  const lengthAt = (at: string) => {
    const start = windowStartOf('day', Date.parse(at), 'Europe/Berlin');
    return ((windowEndOf('day', start, 'Europe/Berlin') ?? 0) - start) / HOUR;
  };
  expect(['2026-03-28', '2026-03-29', '2026-10-25'].map((day) => lengthAt(`${day}T12:00:00Z`))).toEqual([
    24, 23, 25,
  ]);
  const week = windowStartOf('week', Date.parse('2026-03-31T12:00:00Z'), 'Asia/Tokyo');
  expect(new Date(week).toISOString()).toBe('2026-03-29T15:00:00.000Z');
  expect(['Europe/Berlin', 'UTC', 'Mars/Base', '+02:00', '', 'x'.repeat(99)].map(isTimeZone)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('a clock that jumps by days around a change of clocks never empties a window twice', () => {
  const jump = fc.integer({ min: -DAY, max: DAY });
  fc.assert(
    fc.property(
      fc.array(jump, { maxLength: 60 }),
      fc.constantFrom(...ZONES),
      fc.boolean(),
      (jumps, timeZone, rolling) => {
        const book = new BudgetBook();
        let now = Date.parse('2026-03-28T12:00:00Z');
        const definition = { limitNano: 1000, window: 'day' as const, timeZone, rolling };
        book.define('b', definition, { now });
        let newest = 0;
        let paid = 0;
        for (const [index, by] of jumps.entries()) {
          now += by;
          const before = book.view('b', now);
          expect(before?.windowStart).toBeGreaterThanOrEqual(newest);
          if ((before?.windowStart ?? 0) > newest && !rolling) paid = 0;
          newest = before?.windowStart ?? 0;
          const wish = { holdId: String(index), budgetIds: ['b'], amountNano: 300, expiresAt: now + DAY };
          if (book.reserve(wish, now).granted) {
            book.settle(String(index), 300);
            paid += 300;
          }
          const view = book.view('b', now);
          expect(view?.settledNano).toBeGreaterThanOrEqual(0);
          expect(view?.settledNano).toBeLessThanOrEqual(1000);
          if (!rolling) expect(view?.settledNano).toBe(paid);
        }
      },
    ),
  );
});

test('no 24 hours of a rolling budget ever cost more than its limit', () => {
  const move = fc.record({ wait: fc.nat(8 * HOUR), amount: fc.integer({ min: 1, max: 400 }) });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
      const book = new BudgetBook();
      let now = Date.UTC(2026, 0, 1);
      book.define('b', { limitNano: 1000, window: 'day', rolling: true }, { now });
      const passed: { at: number; amount: number }[] = [];
      for (const [index, { wait, amount }] of moves.entries()) {
        now += wait;
        const wish = { holdId: String(index), budgetIds: ['b'], amountNano: amount, expiresAt: now + DAY };
        if (book.reserve(wish, now).granted) {
          book.settle(String(index), amount);
          passed.push({ at: now, amount });
        } else {
          const frees = book.freesAt('b', amount, now) ?? 0;
          expect(frees).toBeGreaterThan(now);
          expect(frees).toBeLessThanOrEqual(now + DAY + DAY / 60);
        }
        const recent = passed.filter(({ at }) => at > now - DAY).reduce((sum, one) => sum + one.amount, 0);
        expect(recent).toBeLessThanOrEqual(1000);
        expect(book.view('b', now)?.settledNano).toBeGreaterThanOrEqual(recent);
      }
    }),
  );
});

test('several budgets hold all or none, and money is conserved in each', () => {
  const step = fc.record({
    id: fc.nat(15),
    amount: fc.nat(500),
    of: fc.subarray(['a', 'b', 'c', 'gone']),
    settle: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const book = new BudgetBook();
      const limits: Record<string, number> = { a: 1000, b: 2000, c: 300 };
      for (const [id, limitNano] of Object.entries(limits))
        book.define(id, { limitNano, window: 'total' }, { now: 0 });
      const open = new Map<string, { amount: number; of: string[] }>();
      const spent: Record<string, number> = { a: 0, b: 0, c: 0 };
      for (const { id, amount, of, settle } of steps) {
        const holdId = String(id);
        if (settle) {
          const hold = open.get(holdId);
          expect(book.settle(holdId, amount)).toBe(hold !== undefined);
          open.delete(holdId);
          for (const budget of hold?.of ?? [])
            if (budget in spent) spent[budget] = (spent[budget] ?? 0) + amount;
        } else if (!open.has(holdId)) {
          const fits = of.every((budget) => {
            const view = book.view(budget, 0);
            return view === undefined || view.settledNano + view.heldNano + amount <= view.limitNano;
          });
          const { granted } = book.reserve({ holdId, budgetIds: of, amountNano: amount, expiresAt: 1 }, 0);
          expect(granted).toBe(fits);
          if (granted) open.set(holdId, { amount, of });
        }
        for (const budget of Object.keys(limits)) {
          const held = [...open.values()]
            .filter((hold) => hold.of.includes(budget))
            .reduce((sum, hold) => sum + hold.amount, 0);
          expect(book.view(budget, 0)).toMatchObject({ settledNano: spent[budget], heldNano: held });
        }
      }
      book.expire(2);
      for (const budget of Object.keys(limits)) expect(book.view(budget, 0)?.heldNano).toBe(0);
    }),
  );
});

test('charges name what a hold pays to, and are enough to start again from', () => {
  const now = Date.UTC(2026, 4, 5, 12, 7);
  const book = new BudgetBook();
  book.define('team/a@b', { limitNano: 1000, window: 'day' }, { now });
  book.define('roll', { limitNano: 1000, window: 'hour', rolling: true }, { now });
  book.reserve({ holdId: '1', budgetIds: ['team/a@b', 'roll'], amountNano: 400, expiresAt: now }, now);
  const charges = readCharges(book.chargesOf('1') ?? '');
  book.settle('1', 250);
  const again = new BudgetBook();
  for (const [id, rolling, window] of [
    ['team/a@b', false, 'day'],
    ['roll', true, 'hour'],
  ] as const) {
    const spent = charges.filter((charge) => charge.id === id).map(({ bucket }) => ({ bucket, nano: 250 }));
    again.define(id, { limitNano: 1000, window, rolling }, { now: now + 60_000, spent });
    expect(again.view(id, now + 60_000)?.settledNano).toBe(250);
  }
  expect(again.view('roll', now + 2 * HOUR)?.settledNano).toBe(0);
});

test('raises hold until they end, thresholds are told once per window', () => {
  const book = new BudgetBook();
  const told: number[] = [];
  book.onThreshold(({ percent }) => void told.push(percent));
  const definition = { limitNano: 100, window: 'day' as const, thresholds: [50, 100] };
  book.define('b', { ...definition, raises: [{ amountNano: 100, expiresAt: 1000 }] }, { now: 0 });
  const spend = (id: string, now: number) => {
    const { granted } = book.reserve({ holdId: id, budgetIds: ['b'], amountNano: 60, expiresAt: DAY }, now);
    if (granted) book.settle(id, 60);
    return granted;
  };
  expect([spend('1', 0), spend('2', 0), spend('3', 500), spend('4', 500)]).toEqual([true, true, true, false]);
  expect(told).toEqual([50]);
  expect(book.view('b', 1000)).toMatchObject({ limitNano: 100, settledNano: 180, remainingNano: 0 });
  expect([spend('5', DAY), spend('6', DAY)]).toEqual([true, false]);
  expect(told).toEqual([50, 50]);
});
