/** One allowance as an upstream's headers tell it. */
export interface Allowance {
  readonly limit: number | undefined;
  readonly remaining: number;
  /** Until the whole limit is there again. Milliseconds. */
  readonly resetMs: number;
}

/** What an answer said about the account's limits. */
export interface ToldLimits {
  readonly requests?: Allowance;
  readonly tokens?: Allowance;
}

type Headers = Readonly<Record<string, string>>;

/** Assumed where an upstream tells that nothing is left but not until when. */
const UNKNOWN_RESET_MS = 1000;
/** Longer resets (daily quotas) are not waited for by these headers: the upstream's own 429 says so better. */
const LONGEST_RESET_MS = 120_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `6m0s`, `120ms`, `1.5` (seconds) or a date, as milliseconds from `wallNow`. */
function resetIn(text: string | undefined, wallNow: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    // Some tell the second of the epoch (GitHub, OpenRouter in milliseconds), others seconds to go.
    if (number > 1e12) return number - wallNow;
    return number > 1e9 ? number * 1000 - wallNow : number * 1000;
  }
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    let ms = 0;
    for (const [, count = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
      ms += Number(count) * (UNITS[unit] ?? 0);
    }
    return ms;
  }
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at - wallNow;
}

function allowance(
  given: { limit: string | undefined; remaining: string | undefined; reset: string | undefined },
  wallNow: number,
): Allowance | undefined {
  const remaining = Number.parseFloat(given.remaining ?? '');
  if (!Number.isFinite(remaining)) return undefined;
  const limit = Number.parseFloat(given.limit ?? '');
  const reset = resetIn(given.reset, wallNow) ?? UNKNOWN_RESET_MS;
  if (reset > LONGEST_RESET_MS) return undefined;
  return {
    limit: Number.isFinite(limit) && limit > 0 ? limit : undefined,
    remaining: Math.max(0, remaining),
    resetMs: Math.max(0, reset),
  };
}

/**
 * Reads `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` (OpenAI and those like it) and
 * `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`. `wallNow`: milliseconds since 1970, for resets that
 * are dates. `undefined` when nothing is told.
 */
export function readLimitHeaders(headers: Headers, wallNow: number): ToldLimits | undefined {
  const read = (kind: 'requests' | 'tokens'): Allowance | undefined => {
    const part = (name: string) =>
      headers[`x-ratelimit-${name}-${kind}`] ?? headers[`anthropic-ratelimit-${kind}-${name}`];
    const remaining = part('remaining');
    if (remaining === undefined) return undefined;
    return allowance({ limit: part('limit'), remaining, reset: part('reset') }, wallNow);
  };
  const requests = read('requests');
  const tokens = read('tokens');
  if (requests === undefined && tokens === undefined) return undefined;
  return { ...(requests === undefined ? {} : { requests }), ...(tokens === undefined ? {} : { tokens }) };
}

/**
 * An allowance that fills up again evenly, as the token buckets of OpenAI and Anthropic do (both document `reset` as the
 * time until the limit is whole again). Without a limit nothing is known before the reset. Pure; monotonic milliseconds.
 */
class Bucket {
  readonly #told: Allowance;
  readonly #at: number;
  #taken = 0;

  constructor(told: Allowance, now: number) {
    this.#told = told;
    this.#at = now;
  }

  take(amount: number): void {
    this.#taken += amount;
  }

  /** Milliseconds until `amount` is there; 0 when it is. More than the whole limit counts as the whole. */
  waitFor(amount: number, now: number): number {
    const { limit, remaining, resetMs } = this.#told;
    const passed = now - this.#at;
    if (passed >= resetMs) return 0;
    if (limit === undefined || limit <= remaining) {
      return remaining - this.#taken >= Math.min(amount, limit ?? amount) ? 0 : resetMs - passed;
    }
    const perMs = (limit - remaining) / resetMs;
    const missing = Math.min(amount, limit) - (remaining - this.#taken + perMs * passed);
    return missing <= 1e-9 ? 0 : Math.min(resetMs - passed, missing / perMs);
  }
}

/** What one credential may still do at one deployment, learned from its last answer. */
export class LearnedLimits {
  #requests: Bucket | undefined;
  #tokens: Bucket | undefined;

  learn(told: ToldLimits, now: number): void {
    if (told.requests !== undefined) this.#requests = new Bucket(told.requests, now);
    if (told.tokens !== undefined) this.#tokens = new Bucket(told.tokens, now);
  }

  /** Milliseconds until a request of `tokens` fits. */
  waitFor(tokens: number, now: number): number {
    return Math.max(this.#requests?.waitFor(1, now) ?? 0, this.#tokens?.waitFor(tokens, now) ?? 0);
  }

  take(tokens: number): void {
    this.#requests?.take(1);
    this.#tokens?.take(tokens);
  }
}
