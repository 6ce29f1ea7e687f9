import { ratesFor } from '../../cost/cost.ts';
import type { PromptScore } from '../model/types.ts';
import type { Candidate, Judged, Objective, RouterPlan, Situation, Tier } from './types.ts';

/** Output expected where nothing is known of the route. Tokens. */
export const EXPECTED_OUTPUT_TOKENS = 400;
/** Labels a route's prior is worth against the prompt model: empirical-Bayes shrinkage (ROUTER §3, step 4). */
const PRIOR_LABELS = 50;

const TIER_PLACES: Readonly<Record<Tier, number>> = { easy: 0, medium: 0.5, hard: 1, needs_info: 0.5 };

/** Expected cost of a request at a candidate, nano-dollars; `undefined` without a price. */
export function expectedCost(candidate: Candidate, situation: Situation): number | undefined {
  if (candidate.price === undefined) return undefined;
  const rates = ratesFor(candidate.price, situation.tokens);
  const output = Math.min(EXPECTED_OUTPUT_TOKENS, situation.maxOutputTokens ?? EXPECTED_OUTPUT_TOKENS);
  return Math.round((situation.tokens * rates.input + output * rates.output + rates.request) / 1000);
}

/** Weight of a candidate in the order of prices: input and output alike. */
export function listRate({ price }: Pick<Candidate, 'price'>): number {
  return price === undefined ? Number.POSITIVE_INFINITY : price.input + price.output;
}

/**
 * Where a candidate stands between the weak and the strong end of its router, 0..1: by its tier, else by its price on a
 * logarithmic scale (each step in price counts alike).
 */
export function placeOf(plan: Pick<RouterPlan, 'candidates'>, candidate: Candidate): number {
  if (candidate.tier !== undefined) return TIER_PLACES[candidate.tier];
  const rates = plan.candidates.map(listRate).filter((rate) => Number.isFinite(rate) && rate > 0);
  const low = Math.min(...rates);
  const high = Math.max(...rates);
  const own = listRate(candidate);
  if (!Number.isFinite(own) || own <= 0 || high <= low) return own <= 0 ? 0 : 0.5;
  return Math.log(own / low) / Math.log(high / low);
}

/** The tier a candidate answers for. */
export function tierOf(plan: Pick<RouterPlan, 'candidates'>, candidate: Candidate): Tier {
  if (candidate.tier !== undefined) return candidate.tier;
  const place = placeOf(plan, candidate);
  if (place < 1 / 3) return 'easy';
  return place > 2 / 3 ? 'hard' : 'medium';
}

/** A model's own head, where the route has labels for it; `weak` and `strong` are no models, whatever models are called. */
export function headOf({ heads }: Pick<PromptScore, 'heads'>, model: string): number | undefined {
  if (model === 'weak' || model === 'strong') return undefined;
  return Object.hasOwn(heads, model) ? heads[model] : undefined;
}

/**
 * Chance that a candidate's answer will do: its own head where the route has labels for it, else between the weak and the
 * strong head by its place; drawn towards the route's mean outcome as far as that stands on labels.
 */
export function chanceOf(
  plan: RouterPlan,
  candidate: Candidate,
  told: { readonly score: PromptScore; readonly routeKey: string },
): number {
  const { score, routeKey } = told;
  const place = placeOf(plan, candidate);
  const head = headOf(score, candidate.model);
  const prompt = head ?? score.pWeak + place * (score.pStrong - score.pWeak);
  const prior = plan.prior.of(routeKey)?.[candidate.model];
  if (prior === undefined) return prompt;
  return (prior.mean * prior.labels + prompt * PRIOR_LABELS) / (prior.labels + PRIOR_LABELS);
}

/** Chance that the strong model is right where the weak one is wrong, taking the two as independent; 0..1. */
export function winOf(score: Pick<PromptScore, 'pWeak' | 'pStrong'>): number {
  return score.pStrong * (1 - score.pWeak);
}

const STEPS = ['easy', 'medium', 'hard'] as const;
/** Steps up or down the tiers that an objective takes while nothing is known of a route. */
const SHIFTS: Readonly<Record<Objective, number>> = { cost: -1, balanced: 0, fast: 0, quality: 1 };

/**
 * Where the wanted candidate stands while nothing is known of a route but the prompt: at the prompt's tier, one lower for
 * `cost`, one higher for `quality`. 0 is the weak end, 1 the strong one.
 */
export function coldPlace(tier: Tier, objective: Objective): number {
  const at = tier === 'needs_info' ? 1 : STEPS.indexOf(tier);
  return Math.min(2, Math.max(0, at + SHIFTS[objective])) / 2;
}

/** What a choice among eligible candidates has to respect. */
export interface Wanted {
  readonly objective: Objective;
  readonly maxLoss: number;
  readonly minQuality: number | undefined;
  readonly latencies: Readonly<Record<string, number>> | undefined;
}

function chanceIn(judged: Judged): number {
  return judged.pOk ?? 0;
}

/** The first of some candidates, or for `fast` the one that begins to answer soonest. */
function firstOrQuickest(good: readonly Judged[], wanted: Wanted): Judged | undefined {
  if (wanted.objective !== 'fast') return good[0];
  const wait = ({ candidate }: Judged) => wanted.latencies?.[candidate.model] ?? Number.POSITIVE_INFINITY;
  return good.reduce<Judged | undefined>(
    (best, judged) => (best === undefined || wait(judged) < wait(best) ? judged : best),
    undefined,
  );
}

function bestOf(eligible: readonly Judged[]): Judged | undefined {
  return eligible.reduce<Judged | undefined>(
    (best, judged) => (best === undefined || chanceIn(judged) > chanceIn(best) ? judged : best),
    undefined,
  );
}

/** The cheapest candidate that stands at least at `place`; the strongest where none does. `eligible` comes cheapest first. */
export function pickByPlace(
  eligible: readonly Judged[],
  wanted: Wanted & { readonly place: number; readonly placeOf: (candidate: Candidate) => number },
): Judged | undefined {
  const least = wanted.minQuality ?? 0;
  const good = eligible.filter(
    (judged) => wanted.placeOf(judged.candidate) >= wanted.place - 0.01 && chanceIn(judged) >= least,
  );
  return firstOrQuickest(good, wanted) ?? bestOf(eligible);
}

/**
 * The cheapest candidate (for `fast` the quickest) whose expected loss against the best is within `maxLoss` and whose
 * chance is at least `minQuality`; the best one where none is. `eligible` comes cheapest first and is not empty.
 */
export function pickByChance(eligible: readonly Judged[], wanted: Wanted): Judged | undefined {
  const best = bestOf(eligible);
  if (best === undefined) return undefined;
  const least = Math.max(chanceIn(best) - wanted.maxLoss, wanted.minQuality ?? 0);
  return (
    firstOrQuickest(
      eligible.filter((judged) => chanceIn(judged) >= least),
      wanted,
    ) ?? best
  );
}
