import type { Clock } from '../../ports/clock.ts';

/** A token and how long it lasts. */
export interface Token {
  readonly value: string;
  readonly lifetimeMs: number;
}

/** This long before its end a token is renewed while it is still used. */
const EARLY_MS = 300_000;
/** This long before its end it is used no more: a call may be under way for a moment before it is checked. */
const LATE_MS = 30_000;
/** A failure stands this long, so that a flood of requests does not become a flood at the token endpoint. */
const FAILURE_MS = 1_000;

/** Keeps one token fresh. However many ask at once, one fetch is under way at most. */
export class TokenSource {
  readonly #clock: Clock;
  readonly #fetch: () => Promise<Token>;
  #token: { readonly value: string; readonly endsAt: number } | undefined;
  #failure: { readonly error: unknown; readonly until: number } | undefined;
  #running: Promise<string> | undefined;

  /** `fetch` must end by itself; it is never given up on behalf of one of those who wait for it. */
  constructor(clock: Clock, fetch: () => Promise<Token>) {
    this.#clock = clock;
    this.#fetch = fetch;
  }

  /** A token that is good for a while yet. Rejects with what the fetch failed with. */
  async get(): Promise<string> {
    const now = this.#clock.monotonic();
    const left = this.#token === undefined ? 0 : this.#token.endsAt - now;
    if (this.#token !== undefined && left > LATE_MS) {
      if (left <= EARLY_MS) this.#refresh(now).catch(() => undefined);
      return this.#token.value;
    }
    return this.#refresh(now);
  }

  #refresh(now: number): Promise<string> {
    if (this.#failure !== undefined && now < this.#failure.until) return Promise.reject(this.#failure.error);
    this.#running ??= this.#renew();
    return this.#running;
  }

  async #renew(): Promise<string> {
    try {
      const { value, lifetimeMs } = await this.#fetch();
      this.#token = { value, endsAt: this.#clock.monotonic() + lifetimeMs };
      this.#failure = undefined;
      return value;
    } catch (error) {
      this.#failure = { error, until: this.#clock.monotonic() + FAILURE_MS };
      throw error;
    } finally {
      this.#running = undefined;
    }
  }
}
