import { describe, expect, it } from 'vitest';
import { balance, type Place, type Strategy } from './balance.ts';
import { Turns } from './turns.ts';

/** Numbers in [0, 1) that repeat with the seed (Lehmer, modulus 2³¹ − 1). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state - 1) / 2_147_483_646;
  };
}

const place = (item: string, more: Partial<Place<string>> = {}): Place<string> => ({
  item,
  id: item,
  weight: 1,
  priority: 1,
  usable: true,
  share: 1,
  inFlight: 0,
  capacity: undefined,
  latencyMs: 0,
  cost: 1,
  ...more,
});

function orders(places: readonly Place<string>[], strategy: Strategy, rounds: number): string[][] {
  const balancing = { route: 'm', strategy, turns: new Turns(), uniform: seeded(7) };
  return Array.from({ length: rounds }, () => balance(places, balancing).map(({ item }) => item));
}

function shares(places: readonly Place<string>[], strategy: Strategy, rounds = 20_000) {
  const counts: Record<string, number> = {};
  for (const [first = ''] of orders(places, strategy, rounds))
    counts[first] = (counts[first] ?? 0) + 1 / rounds;
  return counts;
}

describe('balance by turns', () => {
  it('weighted: exactly by weight in every round, and smoothly', () => {
    const places = [place('a', { weight: 5 }), place('b'), place('c')];
    const firsts = orders(places, 'weighted', 14).map(([first]) => first);
    expect(firsts.join('')).toBe('aabacaaaabacaa');
    for (const order of orders(places, 'weighted', 20)) expect([...order].sort()).toEqual(['a', 'b', 'c']);
  });

  it('weighted: what a failing place leaves undone goes to the others by weight', () => {
    const places = [place('a', { weight: 1000 }), place('b', { weight: 3 }), place('c', { weight: 1 })];
    const seconds = orders(places, 'weighted', 4000).flatMap(([first, second]) =>
      first === 'a' ? [second] : [],
    );
    expect(seconds.filter((name) => name === 'b').length / seconds.length).toBeCloseTo(0.75, 1);
  });

  it('round_robin: in turn, whatever the weights', () => {
    const places = [place('a', { weight: 9 }), place('b'), place('c')];
    const firsts = orders(places, 'round_robin', 9).map(([first]) => first);
    expect(firsts.join('')).toBe('abcabcabc');
  });

  it('keeps rounds apart by route, and goes on when a place leaves and comes back', () => {
    const turns = new Turns();
    const [a, b] = [place('a'), place('b')];
    const first = (route: string, places: readonly Place<string>[]) =>
      balance(places, { route, strategy: 'round_robin', turns, uniform: seeded(1) })[0]?.item;
    expect([first('x', [a, b]), first('y', [a, b]), first('x', [a, b])]).toEqual(['a', 'a', 'b']);
    expect([1, 2, 3].map(() => first('x', [b]))).toEqual(['b', 'b', 'b']);
    expect(new Set([first('x', [a, b]), first('x', [a, b])])).toEqual(new Set(['a', 'b']));
  });
});

describe('balance by measure', () => {
  it('least_busy: least in flight for its weight, counting the call itself', () => {
    const busy = [place('a', { inFlight: 3 }), place('b', { inFlight: 4, weight: 2 })];
    expect(shares(busy, 'least_busy', 100)).toEqual({ b: expect.closeTo(1) });
    expect(shares([place('a'), place('b')], 'least_busy')['a']).toBeCloseTo(0.5, 2);
    // Idle, but three times as able: it comes first.
    expect(shares([place('a'), place('b', { weight: 3 })], 'least_busy', 10)).toEqual({
      b: expect.closeTo(1),
    });
  });

  it('least_busy: for its own limit where every place has one', () => {
    const places = [place('a', { inFlight: 4, capacity: 10 }), place('b', { inFlight: 9, capacity: 100 })];
    expect(shares(places, 'least_busy', 10)).toEqual({ b: expect.closeTo(1) });
  });

  it('lowest_latency: the fastest, the unmeasured first, and one in a hundred elsewhere', () => {
    const measured = [place('a', { latencyMs: 200 }), place('b', { latencyMs: 100 })];
    const counts = shares(measured, 'lowest_latency');
    expect(counts['a']).toBeGreaterThan(0.003);
    expect(counts['a']).toBeLessThan(0.01);
    const fresh = shares([...measured, place('c')], 'lowest_latency');
    expect(fresh['c']).toBeGreaterThan(0.98);
  });

  it('lowest_cost: in order, unknown prices last, one in a hundred elsewhere', () => {
    const places = [place('x', { cost: Number.POSITIVE_INFINITY }), place('a', { cost: 2 }), place('b')];
    const all = orders(places, 'lowest_cost', 2000).map((order) => order.join(''));
    expect(all.filter((order) => order === 'bax').length).toBeGreaterThan(1950);
    expect(all.some((order) => order !== 'bax')).toBe(true);
  });

  it('priority: as listed', () => {
    expect(orders([place('x'), place('a'), place('b')], 'priority', 3)).toEqual([
      ['x', 'a', 'b'],
      ['x', 'a', 'b'],
      ['x', 'a', 'b'],
    ]);
  });
});

describe('priority groups and health', () => {
  it('serves the lowest group first, the next only when nothing of it is usable', () => {
    const places = [place('z', { priority: 2 }), place('a'), place('b'), place('y', { priority: 2 })];
    for (const order of orders(places, 'round_robin', 6)) {
      expect(order.slice(0, 2).sort()).toEqual(['a', 'b']);
      expect(order.slice(2).sort()).toEqual(['y', 'z']);
    }
    const down = places.map((one) => ({ ...one, usable: one.priority === 2 }));
    const firsts = orders(down, 'round_robin', 10).map(([first]) => first);
    expect(firsts.filter((name) => name === 'y')).toHaveLength(5);
    expect(firsts.filter((name) => name === 'z')).toHaveLength(5);
    const one = places.map((each) => ({ ...each, usable: each.item !== 'a' }));
    for (const order of orders(one, 'weighted', 6)) {
      expect(order[0]).toBe('b');
      expect(order[3]).toBe('a');
    }
  });
});

describe('slow start', () => {
  it('gives a recovering place its part, but where the order is the operator’s', () => {
    const order = orders([place('a', { share: 0.1 }), place('b')], 'priority', 50);
    expect(order.every(([first]) => first === 'a')).toBe(true);
    for (const strategy of [
      'weighted',
      'round_robin',
      'least_busy',
      'lowest_latency',
      'lowest_cost',
    ] as const) {
      const recovering = place('a', { share: 0.2, latencyMs: 10, cost: 1 });
      const counts = shares([recovering, place('b', { latencyMs: 90, cost: 2 })], strategy, 10_000);
      // Of idle places that are equally good only every second turn would be its own.
      const whole = { weighted: 1 / 6, round_robin: 1 / 6, least_busy: 0.1 };
      const expected = whole[strategy as keyof typeof whole] ?? 0.2;
      expect(counts['a'], strategy).toBeGreaterThan(expected - 0.03);
      expect(counts['a'], strategy).toBeLessThan(expected + 0.03);
    }
  });

  it('leaves the last one all of it', () => {
    expect(shares([place('a', { share: 0.1 }), place('b', { usable: false })], 'weighted', 50)).toEqual({
      a: expect.closeTo(1),
    });
    const both = shares([place('a', { share: 0.1 }), place('b', { share: 0.1 })], 'least_busy', 1000);
    expect((both['a'] ?? 0) + (both['b'] ?? 0)).toBeCloseTo(1);
  });
});
