import {
  type Deployment,
  type GoldLabel,
  type Ground,
  LossMonitor,
  meanOf,
  type PairedSample,
  provenThreshold,
  type QualityPromise,
} from '../risk/index.ts';

/** A compared pair, in the order it came. */
export interface Compared extends PairedSample {
  readonly exchangeId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Version of what scored it; scores of different versions are not compared. */
  readonly scorer: string;
}

/** Why a route's state is as it is. */
export type Cause = 'learned' | 'stepped_back' | 'rolled_back' | 'model_changed';

/** What a route may do, as kept and rolled back. JSON-safe: ±∞ as words. */
export interface PromiseState {
  readonly version: number;
  readonly at: number;
  readonly cause: Cause;
  /** Prompts scored below go to the weak model. */
  readonly below: number | 'all' | 'none';
  readonly weakShare: number;
  readonly samples: number;
  readonly meanLoss: number;
  readonly moreSamples: number | null;
  /** What scored the samples. */
  readonly scorer: string;
  /** Pairs from before count no longer. Milliseconds since 1970. */
  readonly since: number;
}

/** The threshold of a state as a number. */
export function belowOf({ below }: Pick<PromiseState, 'below'>): number {
  if (below === 'all') return Number.POSITIVE_INFINITY;
  return below === 'none' ? Number.NEGATIVE_INFINITY : below;
}

/** The other way round. */
function wordOf(threshold: number): PromiseState['below'] {
  if (threshold === Number.POSITIVE_INFINITY) return 'all';
  return threshold === Number.NEGATIVE_INFINITY ? 'none' : threshold;
}

/** Samples until a false alarm is to be expected while the promise holds. */
const RUN_LENGTH = 5000;
/** Gold labels from which the judge's bias is believed. */
const MIN_GOLD = 20;
const MAX_COMPARED = 5000;

/** A route nobody knows anything about. */
export function unproven(scorer: string, since = 0): PromiseState {
  return {
    version: 0,
    at: since,
    cause: 'learned',
    below: 'none',
    weakShare: 0,
    samples: 0,
    meanLoss: 0,
    moreSamples: null,
    scorer,
    since,
  };
}

/** By how much a judge may understate losses, from cases whose truth is known; 0 while there are too few. */
function judgeBias(gold: readonly GoldLabel[]): number {
  if (gold.length < MIN_GOLD) return 0;
  return Math.max(0, meanOf(gold.map(({ truth, judged }) => truth - judged)).high);
}

/** What pairs stand for, where they are so large a share of traffic and the judge is as wrong as gold labels show. */
export function groundOf(given: { readonly share: number; readonly gold: readonly GoldLabel[] }): Ground {
  return { share: Math.max(0.01, Math.min(1, given.share)), bias: judgeBias(given.gold) };
}

/**
 * The controller of one route: lets prompts go to the weak model as far as the compared pairs prove the promise, watches
 * what comes after, and steps back when it breaks. Pure: times come from the pairs.
 */
export class RoutePromise {
  readonly promise: QualityPromise;
  #state: PromiseState;
  #compared: Compared[] = [];
  #monitor: LossMonitor | undefined;

  /** `promise.delta` is for the whole life of the route, whatever is tried. */
  constructor(promise: QualityPromise, state: PromiseState) {
    this.promise = promise;
    this.#state = state;
    this.#watch();
  }

  get state(): PromiseState {
    return this.#state;
  }

  /** Pairs that count for the test now. */
  get compared(): readonly Compared[] {
    return this.#compared;
  }

  /** Evidence that the promise is broken, from 1 on it is; 0 while nobody goes to the weak model. */
  get alarm(): number {
    return this.#monitor?.state.alarm ?? 0;
  }

  /** Takes a pair in; true when it broke the promise and the route has stepped back. */
  add(pair: Compared): boolean {
    if (pair.at < this.#state.since || pair.scorer !== this.#state.scorer) return false;
    this.#compared.push(pair);
    if (this.#compared.length > MAX_COMPARED) this.#compared.shift();
    if (pair.at < this.#state.at || pair.score >= belowOf(this.#state)) return false;
    if (this.#monitor?.add(pair.loss) !== true) return false;
    this.restart('stepped_back', pair.at + 1);
    return true;
  }

  /** What the pairs prove now. `share`: of the route's traffic they stand for. */
  test(given: { readonly share: number; readonly gold: readonly GoldLabel[] }): Deployment {
    return provenThreshold(this.#compared, this.promise, groundOf(given));
  }

  /** The same in another thread. */
  testWith(
    trainer: {
      test(wish: {
        readonly compared: readonly Compared[];
        readonly promise: QualityPromise;
        readonly ground: Ground;
      }): Promise<Deployment>;
    },
    given: { readonly share: number; readonly gold: readonly GoldLabel[] },
  ): Promise<Deployment> {
    return trainer.test({ compared: this.#compared, promise: this.promise, ground: groundOf(given) });
  }

  /** Follows a test; true when the share changed. A test never takes back what an earlier one proved: only the monitor does. */
  follow(found: Deployment, at: number): boolean {
    const before = this.#state;
    const grows = found.threshold > belowOf(before);
    const facts = { samples: found.samples, moreSamples: found.moreSamples ?? null };
    if (!grows) {
      this.#state = { ...before, ...facts };
      return false;
    }
    this.#state = {
      ...before,
      ...facts,
      version: before.version + 1,
      at,
      cause: 'learned',
      below: wordOf(found.threshold),
      weakShare: found.weakShare,
      meanLoss: found.meanLoss,
    };
    this.#watch();
    return true;
  }

  /** Nobody goes to the weak model any more, and what was learned before `since` counts no longer. */
  restart(cause: Exclude<Cause, 'learned'>, since: number, scorer = this.#state.scorer): void {
    this.#compared = [];
    this.#monitor = undefined;
    const { version } = this.#state;
    this.#state = { ...unproven(scorer, since), version: version + 1, cause };
  }

  /** Goes on from an earlier state. Pairs until now count no longer: they led to what is being undone. */
  rollBack(to: PromiseState, at: number): void {
    const { version } = this.#state;
    this.#compared = [];
    this.#state = { ...to, version: version + 1, at, since: at, cause: 'rolled_back' };
    this.#watch();
  }

  /** Other scores for the same pairs: the route has a model of its own now. */
  rescore(scorer: string, compared: readonly Compared[]): void {
    this.#compared = [...compared];
    this.#state = { ...this.#state, scorer, below: 'none', weakShare: 0 };
  }

  #watch(): void {
    const { weakShare } = this.#state;
    // What the moved share may lose by itself, as the rest loses nothing.
    const allowed = Math.min(0.95, this.promise.epsilon / Math.max(weakShare, 0.01));
    this.#monitor =
      belowOf(this.#state) === Number.NEGATIVE_INFINITY ? undefined : new LossMonitor(allowed, RUN_LENGTH);
  }
}
