import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue, PRIORITIES, type Priority } from '../../src/core/resilience/fair-queue.ts';

interface Item {
  readonly tenant: string;
  readonly priority: Priority;
  readonly number: number;
}

const TENANTS = ['a', 'b', 'c', 'd'] as const;
const WEIGHTS: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3, d: 0.5 };

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('push' as const),
      tenant: fc.constantFrom(...TENANTS),
      priority: fc.constantFrom(...PRIORITIES),
      patience: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('shift' as const) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('leave' as const), which: fc.nat(30) }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant('expire' as const), passed: fc.integer({ min: 0, max: 15 }) }),
  },
);

const arrive = (item: Item, more: { deadline?: number; maxLength?: number } = {}) => ({
  tenant: item.tenant,
  priority: item.priority,
  weight: WEIGHTS[item.tenant] ?? 1,
  deadline: Number.POSITIVE_INFINITY,
  maxLength: 1000,
  ...more,
});

describe('fair queue, whatever happens', () => {
  it('keeps its bound, loses nobody, serves each once, and first come first served within a tenant', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 12 }), (steps, maxLength) => {
        const queue = new FairQueue<Item>();
        const deadlines = new Map<Item, number>();
        let now = 0;
        let number = 0;
        for (const each of steps) {
          if (each.act === 'push') {
            const item = { tenant: each.tenant, priority: each.priority, number: number++ };
            const deadline = now + each.patience;
            const joined = queue.push(item, arrive(item, { deadline, maxLength }));
            if (joined === undefined) {
              expect(queue.length).toBe(maxLength);
              // Nobody less urgent could have made room.
              const rank = PRIORITIES.indexOf(item.priority);
              for (const { priority } of deadlines.keys())
                expect(PRIORITIES.indexOf(priority)).toBeLessThanOrEqual(rank);
              continue;
            }
            deadlines.set(item, deadline);
            if (joined.displaced !== undefined) {
              expect(PRIORITIES.indexOf(joined.displaced.priority)).toBeGreaterThan(
                PRIORITIES.indexOf(item.priority),
              );
              expect(deadlines.delete(joined.displaced)).toBe(true);
            }
            expect(joined.position).toBeGreaterThanOrEqual(1);
            expect(joined.position).toBeLessThanOrEqual(queue.length);
          } else if (each.act === 'shift') {
            const head = queue.peek();
            const item = queue.shift();
            expect(item).toBe(head);
            if (item === undefined) {
              expect(deadlines.size).toBe(0);
              continue;
            }
            for (const other of deadlines.keys()) {
              const sameFlow = other.tenant === item.tenant && other.priority === item.priority;
              if (sameFlow) expect(item.number).toBeLessThanOrEqual(other.number);
            }
            expect(deadlines.delete(item)).toBe(true);
          } else if (each.act === 'leave') {
            const item = [...deadlines.keys()][each.which];
            if (item !== undefined) expect(queue.remove(item)).toBe(true);
            if (item !== undefined) expect(queue.remove(item)).toBe(false);
            if (item !== undefined) deadlines.delete(item);
          } else {
            now += each.passed;
            const late = queue.expire(now);
            const expected = [...deadlines].filter(([, deadline]) => deadline <= now).map(([item]) => item);
            expect(new Set(late)).toEqual(new Set(expected));
            for (const item of late) deadlines.delete(item);
          }
          expect(queue.length).toBe(deadlines.size);
          expect(queue.length).toBeLessThanOrEqual(maxLength);
          expect(queue.nextDeadline()).toBe(Math.min(Number.POSITIVE_INFINITY, ...deadlines.values()));
        }
        // No lost waiter: whoever is left comes out.
        const rest = new Set<Item>();
        for (let item = queue.shift(); item !== undefined; item = queue.shift()) rest.add(item);
        expect(rest).toEqual(new Set(deadlines.keys()));
      }),
      { numRuns: 400 },
    );
  });

  it('is fair within one turn of each tenant while both wait, by their weights', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...TENANTS), { minLength: 10, maxLength: 120 }),
        fc.array(fc.nat(3), { maxLength: 60 }),
        (arrivals, churn) => {
          const queue = new FairQueue<Item>();
          let number = 0;
          const push = (tenant: string) => {
            const item: Item = { tenant, priority: 'normal', number: number++ };
            queue.push(item, arrive(item));
          };
          for (const tenant of arrivals) push(tenant);
          // Two tenants that always have somebody waiting, however the others come and go.
          for (let n = 0; n < 150; n++) for (const tenant of ['a', 'c']) push(tenant);
          const served: Record<string, number> = { a: 0, b: 0, c: 0, d: 0 };
          for (let n = 0; n < 120; n++) {
            const extra = TENANTS[churn[n] ?? -1];
            if (extra === 'b' || extra === 'd') push(extra);
            const item = queue.shift();
            if (item !== undefined) served[item.tenant] = (served[item.tenant] ?? 0) + 1;
            const [a, c] = [(served['a'] ?? 0) / 1, (served['c'] ?? 0) / 3];
            expect(Math.abs(a - c)).toBeLessThanOrEqual(1 + 1 / 3 + 1e-9);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('starves nobody: the least urgent has its turn among any number of urgent ones', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 100 }), (tenants, before) => {
        const queue = new FairQueue<Item>();
        let number = 0;
        const push = (tenant: string, priority: Priority): Item => {
          const item = { tenant, priority, number: number++ };
          queue.push(item, arrive(item));
          return item;
        };
        for (let n = 0; n < before; n++) push(`t${n % tenants}`, 'high');
        for (let n = 0; n < before; n++) queue.shift();
        const low = push('modest', 'low');
        let turns = 0;
        for (; turns < 60; turns++) {
          // Always more urgent ones, of both classes.
          for (let n = 0; n < tenants; n++) push(`t${n}`, n % 2 === 0 ? 'high' : 'normal');
          if (queue.shift() === low) break;
        }
        expect(turns).toBeLessThanOrEqual(21);
      }),
      { numRuns: 100 },
    );
  });

  it('gives classes 16, 4 and 1 turns while all wait', () => {
    const queue = new FairQueue<Item>();
    for (let number = 0; number < 100; number++) {
      for (const priority of PRIORITIES) {
        const item = { tenant: 'a', priority, number };
        queue.push(item, arrive(item));
      }
    }
    const served = { high: 0, normal: 0, low: 0 };
    for (let n = 0; n < 84; n++) served[queue.shift()?.priority ?? 'low']++;
    expect(served).toEqual({ high: 64, normal: 16, low: 4 });
  });

  it('tells the position a waiter has if nobody else comes, at most one turn of each other tenant off', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...TENANTS), fc.constantFrom(...PRIORITIES)), {
          minLength: 1,
          maxLength: 60,
        }),
        fc.nat(20),
        (arrivals, shifts) => {
          const queue = new FairQueue<Item>();
          let last: Item = { tenant: '', priority: 'low', number: -1 };
          let position = 0;
          arrivals.forEach(([tenant, priority], number) => {
            last = { tenant, priority, number };
            position = queue.push(last, arrive(last))?.position ?? 0;
            if (number < shifts && number < arrivals.length - 1) queue.shift();
          });
          let turn = 1;
          while (queue.shift() !== last) turn++;
          expect(turn).toBeLessThanOrEqual(position);
          expect(turn).toBeGreaterThanOrEqual(position - TENANTS.length - PRIORITIES.length);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('does not let a tenant gain turns by leaving and coming back', () => {
    const queue = new FairQueue<Item>();
    let number = 0;
    const push = (tenant: string) => {
      const item: Item = { tenant, priority: 'normal', number: number++ };
      queue.push(item, arrive({ ...item }, {}));
      return item;
    };
    for (let n = 0; n < 40; n++) push('a');
    let sly = 0;
    for (let n = 0; n < 30; n++) {
      // One at a time, so that the tenant is gone after each of its turns.
      const item = push('sly');
      for (let turn = 0; turn < 2; turn++) if (queue.shift() === item) sly++;
      queue.remove(item);
    }
    expect(sly).toBeLessThanOrEqual(31);
  });
});
