/** Losses lie in [−1, 1]: how much better the strong model's answer was than the one that was, or would be, served. */
export const MAX_LOSS = 1;

/** Stakes as shares of the largest that can never lose everything; mixed, so that no one has to be chosen beforehand. */
const STAKES = [0.02, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95] as const;

/**
 * A bettor's wealth as evidence about a mean of bounded values. Under the hypothesis that nature is fair to the bettor the
 * wealth is a supermartingale that starts at 1, so it ever reaches 1/δ with probability δ at most (Ville's inequality; the
 * tests are those of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024).
 * That holds at every time at once: looking after each value costs nothing.
 */
class Wealth {
  readonly #stakes: readonly number[];
  readonly #logs: Float64Array;
  #highest = 0;

  /** `maxStake`: the stake with which the worst value would lose everything. */
  constructor(maxStake: number) {
    this.#stakes = STAKES.map((share) => share * maxStake);
    this.#logs = new Float64Array(STAKES.length);
  }

  /** The bettor gains `stake × gain` of what each stake holds. */
  play(gain: number): void {
    let top = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.#logs.length; at++) {
      const log = (this.#logs[at] ?? 0) + Math.log1p((this.#stakes[at] ?? 0) * gain);
      this.#logs[at] = log;
      if (log > top) top = log;
    }
    let sum = 0;
    for (const log of this.#logs) sum += Math.exp(log - top);
    this.#highest = Math.max(this.#highest, top + Math.log(sum / this.#logs.length));
  }

  /** Natural logarithm of the highest wealth so far. */
  get highest(): number {
    return this.#highest;
  }
}

/**
 * Whether losses prove, at level `delta`, that their mean lies below `epsilon`: if it does not, this says `true` with a
 * probability of at most `delta`. The values must be exchangeable; give them in an order that does not depend on them.
 *
 * @param losses in [−1, 1]
 * @param epsilon in (0, 1)
 */
export function provesBelow(losses: Iterable<number>, epsilon: number, delta: number): boolean {
  const wealth = new Wealth(1 / (MAX_LOSS - epsilon));
  const enough = -Math.log(delta);
  for (const loss of losses) {
    wealth.play(epsilon - loss);
    if (wealth.highest >= enough) return true;
  }
  return false;
}

/** What a {@link LossMonitor} has seen. */
export interface MonitorState {
  readonly samples: number;
  readonly mean: number;
  /** Evidence that the promise is broken, 0 to 1 and above; from 1 on it has to be taken back. */
  readonly alarm: number;
}

/**
 * Watches a running stream of losses for a mean above `epsilon`, also one that begins only later: the sum of bettors who
 * each start at a different time (a Shiryaev–Roberts e-detector; Shin, Ramdas and Rinaldo, 2024). While the promise holds,
 * the expected number of samples until a false alarm is at least `runLength`.
 */
export class LossMonitor {
  readonly #epsilon: number;
  readonly #runLength: number;
  readonly #stakes: readonly number[];
  readonly #sums: Float64Array;
  #samples = 0;
  #total = 0;

  constructor(epsilon: number, runLength: number) {
    this.#epsilon = epsilon;
    this.#runLength = runLength;
    this.#stakes = STAKES.map((share) => share / (MAX_LOSS + epsilon));
    this.#sums = new Float64Array(STAKES.length);
  }

  /** Adds one loss in [−1, 1]; true when the promise has to be taken back. */
  add(loss: number): boolean {
    this.#samples++;
    this.#total += loss;
    for (let at = 0; at < this.#sums.length; at++) {
      const factor = 1 + (this.#stakes[at] ?? 0) * (loss - this.#epsilon);
      this.#sums[at] = Math.min(Number.MAX_VALUE, ((this.#sums[at] ?? 0) + 1) * factor);
    }
    return this.state.alarm >= 1;
  }

  get state(): MonitorState {
    const evidence = this.#sums.reduce((sum, one) => sum + one / this.#sums.length, 0);
    return {
      samples: this.#samples,
      mean: this.#samples === 0 ? 0 : this.#total / this.#samples,
      alarm: evidence / this.#runLength,
    };
  }
}
