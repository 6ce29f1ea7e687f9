/** One of the places a model is served, as the balancer sees it. */
export interface Place<T> {
  readonly item: T;
  readonly weight: number;
  readonly inFlight: number;
  /** Expected milliseconds to the first byte; 0 when never measured. */
  readonly latencyMs: number;
  /** Expected cost of the request at hand, any unit; infinite when unknown. */
  readonly cost: number;
}

/** How the order is made; names as in the configuration. */
export type Strategy = 'weighted' | 'least_busy' | 'lowest_latency' | 'lowest_cost' | 'priority';

/** Share of requests that go to a random place although another was faster, so that all stay measured. */
const EXPLORATION = 0.01;

/** In a random order in which the first is `p` with probability weight(p) ÷ sum, and so on without it. */
function byWeight<T>(places: readonly Place<T>[], uniform: () => number): Place<T>[] {
  const left = [...places];
  const order: Place<T>[] = [];
  while (left.length > 1) {
    const sum = left.reduce((total, place) => total + place.weight, 0);
    let at = uniform() * sum;
    const index = left.findIndex((place) => {
      at -= place.weight;
      return at < 0;
    });
    order.push(...left.splice(Math.max(0, index), 1));
  }
  order.push(...left);
  return order;
}

function byLatency<T>(places: readonly Place<T>[], uniform: () => number): Place<T>[] {
  // Those never measured come first, in random order; the sort is stable.
  const order = byWeight(places, uniform).sort((a, b) => a.latencyMs - b.latencyMs);
  if (uniform() < EXPLORATION) {
    order.unshift(...order.splice(Math.floor(uniform() * order.length), 1));
  }
  return order;
}

/** The order in which places are tried. `uniform` gives numbers in [0, 1). Pure. */
export function balance<T>(
  places: readonly Place<T>[],
  strategy: Strategy,
  uniform: () => number,
): readonly Place<T>[] {
  if (places.length < 2) return places;
  switch (strategy) {
    case 'weighted':
      return byWeight(places, uniform);
    case 'least_busy':
      return byWeight(places, uniform).sort((a, b) => a.inFlight / a.weight - b.inFlight / b.weight);
    case 'lowest_latency':
      return byLatency(places, uniform);
    case 'lowest_cost':
      return [...places].sort((a, b) => (a.cost === b.cost ? 0 : a.cost - b.cost));
    default:
      return places;
  }
}
