import type { Turns } from './turns.ts';

/** One of the places a model is served, as the balancer sees it. */
export interface Place<T> {
  readonly item: T;
  readonly id: string;
  /** Its share of the traffic, relative to the others; above 0. */
  readonly weight: number;
  /** Groups are served lowest number first. */
  readonly priority: number;
  /** May be called now: its circuit lets calls through, a credential is free to use and it is no outlier. */
  readonly usable: boolean;
  /** Part of its traffic it should get after a recovery, 0 to 1. */
  readonly share: number;
  readonly inFlight: number;
  /** Calls it may work on at once; `undefined` where nobody said. */
  readonly capacity: number | undefined;
  /** Expected milliseconds to the first byte; 0 when never measured. */
  readonly latencyMs: number;
  /** Expected cost of the request at hand, any unit; infinite when unknown. */
  readonly cost: number;
}

/** How the order is made; names as in the configuration. */
export type Strategy =
  | 'weighted'
  | 'round_robin'
  | 'least_busy'
  | 'lowest_latency'
  | 'lowest_cost'
  | 'priority';

/** What an order is made with besides the places. */
export interface Balancing {
  /** Name of the route: rounds are kept for each. */
  readonly route: string;
  readonly strategy: Strategy;
  readonly turns: Turns;
  /** Numbers in [0, 1). */
  readonly uniform: () => number;
}

/** Share of requests that go to a random place although another was better, so that all stay measured. */
const EXPLORATION = 0.01;
/** A recovering place keeps at least this much weight, so that a round always comes to it. */
const MIN_SHARE = 0.01;

/**
 * The place whose turn it is, then one at random by weight, so that what a failing one leaves undone is spread over all the
 * others, then the rest.
 */
function inTurn<T>(
  places: readonly Place<T>[],
  { route, turns, uniform }: Balancing,
  weightOf: (place: Place<T>) => number,
): Place<T>[] {
  const shares = places.map((place) => ({ id: place.id, weight: weightOf(place) }));
  const order = [...places];
  const first = turns.take(route, shares);
  order.unshift(...order.splice(first, 1));
  const [spent] = shares.splice(first, 1);
  if (spent === undefined || shares.length < 2) return order;
  let at = uniform() * shares.reduce((sum, { weight }) => sum + weight, 0);
  const second = shares.findIndex(({ weight }) => {
    at -= weight;
    return at < 0;
  });
  if (second > 0) order.splice(1, 0, ...order.splice(second + 1, 1));
  return order;
}

/** Part of its turns that a place gets already. */
function recovered<T>({ share }: Place<T>): number {
  return Math.max(MIN_SHARE, share);
}

/** What a place has to do for what it can do, counting the call at hand. */
function load<T>({ inFlight, weight, capacity }: Place<T>, bounded: boolean): number {
  return (inFlight + 1) / (bounded ? (capacity ?? 1) : weight);
}

function byLoad<T>(places: readonly Place<T>[], balancing: Balancing): Place<T>[] {
  // Limits can be compared with each other, but not with weights.
  const bounded = places.every(({ capacity }) => capacity !== undefined);
  return inTurn(places, balancing, ({ weight }) => weight).sort(
    (a, b) => load(a, bounded) - load(b, bounded),
  );
}

function explored<T>(order: Place<T>[], uniform: () => number): Place<T>[] {
  if (order.length > 1 && uniform() < EXPLORATION) {
    order.unshift(...order.splice(Math.floor(uniform() * order.length), 1));
  }
  return order;
}

/** Moves those that recover behind the others, in as large a part of the calls as they should not get yet. */
function withSlowStart<T>(order: Place<T>[], uniform: () => number): Place<T>[] {
  if (!order.some(({ share }) => share < 1)) return order;
  const held = order.filter(({ share }) => share < 1 && uniform() >= share);
  if (held.length === 0 || held.length === order.length) return order;
  return [...order.filter((place) => !held.includes(place)), ...held];
}

function byStrategy<T>(places: readonly Place<T>[], balancing: Balancing): Place<T>[] {
  const { uniform, strategy } = balancing;
  if (places.length < 2) return [...places];
  switch (strategy) {
    // Recovery is part of their weights.
    case 'weighted':
      return inTurn(places, balancing, (place) => place.weight * recovered(place));
    case 'round_robin':
      return inTurn(places, balancing, recovered);
    case 'least_busy':
      return withSlowStart(byLoad(places, balancing), uniform);
    case 'lowest_latency': {
      // Those never measured come first, in turn; the sort is stable.
      const order = inTurn(places, balancing, ({ weight }) => weight).sort(
        (a, b) => a.latencyMs - b.latencyMs,
      );
      return withSlowStart(explored(order, uniform), uniform);
    }
    case 'lowest_cost': {
      const order = [...places].sort((a, b) => (a.cost === b.cost ? 0 : a.cost - b.cost));
      // Prices do not need to be measured, but cache hits and lengths of answers do.
      return withSlowStart(explored(order, uniform), uniform);
    }
    case 'priority':
      // The order is the operator's, also right after a recovery.
      return [...places];
  }
}

/**
 * The order in which places are tried: usable ones before others, then by priority group, then by strategy. Pure but for
 * the rounds in `turns`.
 */
export function balance<T>(places: readonly Place<T>[], balancing: Balancing): readonly Place<T>[] {
  if (places.length < 2) return places;
  const [first] = places;
  const even = places.every(
    ({ priority, usable }) => priority === first?.priority && usable === first.usable,
  );
  if (even) return byStrategy(places, balancing);
  const groups = new Map<number, Place<T>[]>();
  for (const place of places) {
    // Priorities are whole numbers up to a million: all usable groups sort before all others.
    const rank = place.priority + (place.usable ? 0 : 1e7);
    const group = groups.get(rank);
    if (group === undefined) groups.set(rank, [place]);
    else group.push(place);
  }
  const ranks = [...groups.keys()].sort((a, b) => a - b);
  return ranks.flatMap((rank) => {
    const route = `${balancing.route}\n${rank}`;
    return byStrategy(groups.get(rank) ?? [], rank === first?.priority ? balancing : { ...balancing, route });
  });
}
