/** One session's or request's outcome in an arm: 1 is good, 0 is not. */
export interface Outcome {
  readonly arm: string;
  readonly good: boolean;
  /** Nano-dollars; `undefined` where the price is not known. */
  readonly costNano: number | undefined;
  readonly latencyMs: number;
}

/** What is known of one arm. */
export interface ArmSummary {
  readonly arm: string;
  readonly count: number;
  readonly good: number;
  readonly meanCostNano: number | undefined;
  readonly meanLatencyMs: number;
}

/** What a sequential test says. */
export interface Verdict {
  /** Evidence against "both arms are equally good"; 1 is none. May be looked at after every outcome. */
  readonly eValue: number;
  /** 1 ÷ α: at this much evidence the experiment may be stopped. */
  readonly needed: number;
  /** Pairs of outcomes compared. */
  readonly pairs: number;
  readonly decided: boolean;
  /** The better arm once decided. */
  readonly winner: string | undefined;
}

/** Beta prior of each arm's rate: a success and a failure seen half, as Turner, Ly and Grünwald use. */
const PRIOR = 0.5;
/** Evidence is capped here; it would overflow long after any decision. */
const MAX_E_VALUE = 1e12;

interface Tally {
  good: number;
  count: number;
}

function rate({ good, count }: Tally): number {
  return (good + PRIOR) / (count + 2 * PRIOR);
}

function likelihood(good: boolean, chance: number): number {
  return good ? chance : 1 - chance;
}

/**
 * Compares two streams of outcomes without a fixed sample size. Outcomes are taken in pairs, one of each arm; each pair
 * multiplies the e-value by its likelihood under rates learned from the pairs before, over that under one common rate
 * (safe test for two proportions: Turner, Ly and Grünwald 2021, "Generic E-variables for exact sequential k-sample tests").
 * Under equal rates the expected factor is at most 1, so stopping at 1 ÷ α errs with probability α at most, however often
 * one looks.
 */
export function compareArms(
  first: { readonly arm: string; readonly outcomes: readonly boolean[] },
  second: { readonly arm: string; readonly outcomes: readonly boolean[] },
  alpha: number,
): Verdict {
  const pairs = Math.min(first.outcomes.length, second.outcomes.length);
  const a: Tally = { good: 0, count: 0 };
  const b: Tally = { good: 0, count: 0 };
  const needed = 1 / alpha;
  let eValue = 1;
  let winner: string | undefined;
  for (let at = 0; at < pairs; at++) {
    const goodA = first.outcomes[at] === true;
    const goodB = second.outcomes[at] === true;
    const rateA = rate(a);
    const rateB = rate(b);
    const common = (rateA + rateB) / 2;
    const factor =
      (likelihood(goodA, rateA) * likelihood(goodB, rateB)) /
      (likelihood(goodA, common) * likelihood(goodB, common));
    eValue = Math.min(MAX_E_VALUE, eValue * factor);
    a.count++;
    b.count++;
    if (goodA) a.good++;
    if (goodB) b.good++;
    if (winner === undefined && eValue >= needed && a.good !== b.good) {
      winner = a.good > b.good ? first.arm : second.arm;
    }
  }
  return { eValue, needed, pairs, decided: winner !== undefined, winner };
}

/** Sums up outcomes by arm, in the order given. */
export function summarise(arms: readonly string[], outcomes: readonly Outcome[]): readonly ArmSummary[] {
  return arms.map((arm) => {
    const own = outcomes.filter((outcome) => outcome.arm === arm);
    const priced = own.flatMap(({ costNano }) => (costNano === undefined ? [] : [costNano]));
    const mean = (values: readonly number[]) =>
      values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
    return {
      arm,
      count: own.length,
      good: own.filter(({ good }) => good).length,
      meanCostNano: priced.length === 0 ? undefined : mean(priced),
      meanLatencyMs: mean(own.map(({ latencyMs }) => latencyMs)),
    };
  });
}
