import { type Rates, ratesFor } from '../cost/cost.ts';
import type { Price } from '../cost/price.ts';

/** After this long what was seen weighs half of what it did. */
const HALF_LIFE_MS = 1_800_000;
/** Before a project has used so many prompt tokens, what the route's other users do counts as well. */
const PRIOR_TOKENS = 20_000;
/** Output tokens per prompt token where nothing is known. */
const FIRST_OUTPUT_RATIO = 0.25;
const MAX_ENTRIES = 20_000;

/** Where usage belongs. */
export interface CostPlace {
  readonly route: string;
  readonly deployment: string;
  /** Whose: a project, team or key. */
  readonly scope: string;
}

/** Tokens of a settled request. */
export interface SeenUsage {
  /** The whole prompt, cached part included. */
  readonly prompt: number;
  readonly cacheRead: number;
  readonly output: number;
}

/** A request to be priced. */
export interface Expectation {
  /** Likely size, tokens. */
  readonly prompt: number;
  /** The client's limit, if any. */
  readonly maxOutput: number | undefined;
  readonly now: number;
}

/** Decayed sums of tokens. */
interface Sums {
  prompt: number;
  cached: number;
  output: number;
  at: number;
}

/**
 * What requests really use, per route, deployment and project: the share of prompts that vendors read from their cache,
 * and how long answers are. Decayed sums; a project's own figures take over from the route's as it is used. Pure;
 * monotonic milliseconds.
 */
export class CostHistory {
  readonly #sums = new Map<string, Sums>();

  /** A request was settled. */
  add({ route, deployment, scope }: CostPlace, usage: SeenUsage, now: number): void {
    this.#count(`${route}\n${deployment}\n${scope}`, usage, now);
    this.#count(`${route}\n${deployment}`, usage, now);
    this.#count(`${route}\n\n${scope}`, usage, now);
    this.#count(route, usage, now);
  }

  /** Share of the prompt that this deployment will likely read from its cache, 0 to 1. */
  hitRate({ route, deployment, scope }: CostPlace): number {
    const own = this.#sums.get(`${route}\n${deployment}\n${scope}`);
    const all = this.#sums.get(`${route}\n${deployment}`);
    const usual = all === undefined || all.prompt === 0 ? 0 : all.cached / all.prompt;
    if (own === undefined) return usual;
    return (own.cached + PRIOR_TOKENS * usual) / (own.prompt + PRIOR_TOKENS);
  }

  /**
   * Tokens of the answer to a prompt of this size: the project's own ratio on the route, not the deployment's, because all
   * deployments are asked the same.
   */
  outputTokens({ route, scope }: CostPlace, { prompt, maxOutput }: Expectation): number {
    const own = this.#sums.get(`${route}\n\n${scope}`);
    const all = this.#sums.get(route);
    const usual = all === undefined || all.prompt === 0 ? FIRST_OUTPUT_RATIO : all.output / all.prompt;
    const ratio =
      own === undefined ? usual : (own.output + PRIOR_TOKENS * usual) / (own.prompt + PRIOR_TOKENS);
    return Math.min(prompt * ratio, maxOutput ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Expected cost in pico-dollars: input × prompt × (1 − hit rate) + cache read × prompt × hit rate + output × expected
   * answer + what a request costs by itself. Infinite without a price.
   */
  expectedCost(place: CostPlace, price: Price | undefined, asked: Expectation): number {
    if (price === undefined) return Number.POSITIVE_INFINITY;
    const rates: Rates = ratesFor(price, asked.prompt);
    const hits = this.hitRate(place);
    return (
      rates.input * asked.prompt * (1 - hits) +
      rates.cacheRead * asked.prompt * hits +
      rates.output * this.outputTokens(place, asked) +
      rates.request
    );
  }

  #count(key: string, { prompt, cacheRead, output }: SeenUsage, now: number): void {
    let sums = this.#sums.get(key);
    if (sums === undefined) {
      if (this.#sums.size >= MAX_ENTRIES) {
        const [oldest] = this.#sums.keys();
        if (oldest !== undefined) this.#sums.delete(oldest);
      }
      sums = { prompt: 0, cached: 0, output: 0, at: now };
      this.#sums.set(key, sums);
    }
    const keep = 0.5 ** (Math.max(0, now - sums.at) / HALF_LIFE_MS);
    sums.prompt = sums.prompt * keep + prompt;
    sums.cached = sums.cached * keep + Math.min(cacheRead, prompt);
    sums.output = sums.output * keep + output;
    sums.at = Math.max(now, sums.at);
  }
}
