import { costOf } from '../../cost/cost.ts';
import type { Price } from '../../cost/price.ts';
import type { Usage } from '../../model/index.ts';
import { quantile95 } from '../risk/index.ts';

/** A logged, routed exchange, as far as savings go by it. */
export interface RoutedFacts {
  readonly routeKey: string;
  readonly session: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly usage: Usage;
  /** What it cost in all, nano-dollars. */
  readonly costNano: number;
  /** Of that, calls of a cascade whose answers were not taken. */
  readonly retryNano: number;
  /** Of that, the call whose answer was taken, where others are in `usage` and `costNano` too; with the price it was made at. */
  readonly own?: { readonly nano: number; readonly model: string; readonly price: Price } | undefined;
  /** The mode that was in force. */
  readonly mode?: string;
  /** The weaker model that was decided on or held back, with its price. */
  readonly weak: { readonly model: string; readonly price: Price } | undefined;
  /** What would have been served without a router. */
  readonly baseline: { readonly model: string; readonly price: Price } | undefined;
  readonly state: 'followed' | 'held_out' | 'held_back' | 'watched';
  readonly score: number | undefined;
  /** What the session's prompt cache held with the baseline before this exchange. Tokens. */
  readonly warmTokens: number;
}

/** Output of the weak model ÷ output of the strong one, on the same prompts. */
export interface LengthRatio {
  readonly value: number;
  /** Standard error. */
  readonly error: number;
  readonly pairs: number;
}

/** Nothing is known: as long, give or take a half at most. */
const UNKNOWN_RATIO: LengthRatio = { value: 1, error: 0.25, pairs: 0 };
const MIN_PAIRS = 10;
/** Exchanges below which there is no figure at all. */
const MIN_EXCHANGES = 30;

/** Ratio of sums with its standard error by linearisation (Cochran, "Sampling Techniques", ch. 6). */
export function lengthRatio(
  pairs: readonly { readonly weak: number; readonly strong: number }[],
): LengthRatio {
  const used = pairs.filter(({ weak, strong }) => weak > 0 && strong > 0);
  const strong = used.reduce((sum, pair) => sum + pair.strong, 0);
  if (used.length < MIN_PAIRS || strong === 0) return { ...UNKNOWN_RATIO, pairs: used.length };
  const value = used.reduce((sum, pair) => sum + pair.weak, 0) / strong;
  const squares = used.reduce((sum, pair) => sum + (pair.weak - value * pair.strong) ** 2, 0);
  const mean = strong / used.length;
  const error = Math.sqrt(squares / (used.length - 1) / used.length) / mean;
  return { value, error, pairs: used.length };
}

/** A sum of money with its 95 % interval, nano-dollars. `missing`: exchanges that are wanting for a figure at all. */
export interface Saving {
  readonly nano: number;
  readonly low: number;
  readonly high: number;
  readonly exchanges: number;
  readonly missing: number;
}

interface Part {
  readonly nano: number;
  /** Change of `nano` per unit of the length ratio. */
  readonly slope: number;
}

/** A sum over exchanges: they are a sample of traffic, and the ratio of lengths is known only so well. */
function summed(parts: readonly Part[], ratio: LengthRatio): Saving {
  const count = parts.length;
  const nano = parts.reduce((sum, part) => sum + part.nano, 0);
  const missing = Math.max(0, MIN_EXCHANGES - count);
  if (count < 2) return { nano, low: nano, high: nano, exchanges: count, missing };
  const mean = nano / count;
  const variance = parts.reduce((sum, part) => sum + (part.nano - mean) ** 2, 0) / (count - 1);
  const slope = parts.reduce((sum, part) => sum + part.slope, 0);
  const freedom = ratio.pairs >= MIN_PAIRS ? Math.min(count, ratio.pairs) - 1 : count - 1;
  const half = quantile95(freedom) * Math.sqrt(count * variance + (slope * ratio.error) ** 2);
  return { nano, low: nano - half, high: nano + half, exchanges: count, missing };
}

/** The same request elsewhere: its output longer or shorter, its cached tokens read anew where the cache is cold. */
function costAt(
  usage: Usage,
  price: Price,
  how: { readonly output: number; readonly cold: boolean },
): number {
  const cached = how.cold ? usage.cacheRead : 0;
  return costOf(
    {
      ...usage,
      input: usage.input + cached,
      cacheRead: usage.cacheRead - cached,
      output: Math.max(0, Math.ceil(usage.output * how.output)),
    },
    price,
  ).total;
}

/** What following would have saved, from the ledger alone, and what of its cost would have been caches read anew. */
export interface Projection {
  readonly saving: Saving;
  readonly coldCacheNano: number;
}

function slopeOf(usage: Usage, price: Price): number {
  return costAt(usage, price, { output: 1, cold: false }) - costAt(usage, price, { output: 0, cold: false });
}

/**
 * Savings of exchanges that the baseline answered and a weaker model might have. The first weak answer of a session reads
 * the prompt anew, those after it find the weak model's cache warm.
 */
export function projectSavings(facts: readonly RoutedFacts[], ratio: LengthRatio): Projection {
  const warm = new Map<string, string>();
  const parts: Part[] = [];
  let coldCacheNano = 0;
  for (const one of [...facts].sort((a, b) => a.at - b.at)) {
    const { weak, session, usage } = one;
    const before = warm.get(session);
    warm.set(session, weak?.model ?? one.baseline?.model ?? '');
    if (weak === undefined || one.state === 'followed') continue;
    const cold = before !== weak.model;
    const projected = costAt(usage, weak.price, { output: ratio.value, cold });
    if (cold) coldCacheNano += projected - costAt(usage, weak.price, { output: ratio.value, cold: false });
    parts.push({ nano: one.costNano - one.retryNano - projected, slope: -slopeOf(usage, weak.price) });
  }
  return { saving: summed(parts, ratio), coldCacheNano };
}

/** What followed decisions saved against the baseline's price, before overhead; and what lost caches cost of it. */
export interface Realisation {
  readonly saving: Saving;
  readonly lostCacheNano: number;
  readonly retryNano: number;
}

/**
 * Followed exchanges against the same tokens at the baseline, whose cache would have been warm where the session's was.
 * Cost of retries is in the exchanges themselves.
 */
export function realisedSavings(facts: readonly RoutedFacts[], ratio: LengthRatio): Realisation {
  const parts: Part[] = [];
  let lostCacheNano = 0;
  let retryNano = 0;
  for (const { state, weak, baseline, usage, costNano, own, ...rest } of facts) {
    if (state !== 'followed' || weak === undefined || baseline === undefined) continue;
    const { price } = baseline;
    // What the baseline itself answered in the end is as long as it is.
    const scale = own?.model === baseline.model ? 1 : 1 / Math.max(0.1, ratio.value);
    const extra = Math.min(usage.input, Math.max(0, rest.warmTokens - usage.cacheRead));
    const lost = Math.round((extra * Math.max(0, price.input - price.cacheRead)) / 1000);
    const share = shareOf(usage, own);
    const there = costAt(usage, price, { output: scale, cold: false }) * share - lost;
    lostCacheNano += lost;
    retryNano += rest.retryNano;
    const slope = own?.model === baseline.model ? 0 : -slopeOf(usage, price) * scale ** 2 * share;
    parts.push({ nano: there - costNano, slope });
  }
  return { saving: summed(parts, ratio), lostCacheNano, retryNano };
}

/** How much of an exchange's usage is that of the call whose answer was taken: a cascade's other calls are no work of the baseline's. */
function shareOf(usage: Usage, own: RoutedFacts['own']): number {
  if (own === undefined) return 1;
  const all = costAt(usage, own.price, { output: 1, cold: false });
  return all === 0 ? 1 : Math.min(1, own.nano / all);
}

interface Arm {
  readonly mean: number;
  /** Variance of the mean, sessions taken as what was drawn. */
  readonly variance: number;
  readonly sessions: number;
  readonly exchanges: number;
}

function armOf(facts: readonly RoutedFacts[]): Arm {
  const exchanges = facts.length;
  const mean = facts.reduce((sum, { costNano }) => sum + costNano, 0) / Math.max(1, exchanges);
  const rests = new Map<string, number>();
  for (const { session, costNano } of facts) rests.set(session, (rests.get(session) ?? 0) + costNano - mean);
  const sessions = rests.size;
  const squares = [...rests.values()].reduce((sum, rest) => sum + rest ** 2, 0);
  const variance = sessions < 2 ? 0 : ((squares / exchanges ** 2) * sessions) / (sessions - 1);
  return { mean, variance, sessions, exchanges };
}

/**
 * What the decisions saved by experiment: sessions drawn at random kept the baseline, and cost so much more per exchange
 * that would have moved. No price list and no assumption about lengths is in it. `control`: state of those that were kept.
 */
export function verifiedSavings(facts: readonly RoutedFacts[], control: 'held_out' | 'watched'): Saving {
  const eligible = facts.filter(({ weak }) => weak !== undefined);
  const moved = armOf(eligible.filter(({ state }) => state === 'followed'));
  const kept = armOf(eligible.filter(({ state }) => state === control));
  const nano = moved.exchanges * (kept.mean - moved.mean);
  const error = moved.exchanges * Math.sqrt(kept.variance + moved.variance);
  const fewest = Math.min(moved.sessions, kept.sessions);
  const missing = Math.max(0, MIN_EXCHANGES - fewest);
  const half = fewest < 2 ? Number.POSITIVE_INFINITY : quantile95(fewest - 1) * error;
  return { nano, low: nano - half, high: nano + half, exchanges: moved.exchanges + kept.exchanges, missing };
}
