import type { Price } from '../../cost/price.ts';
import type { Candidate, SessionPolicy, SessionState, Situation } from './types.ts';

const MAX_SESSIONS = 50_000;

interface Kept {
  readonly model: string;
  readonly tokens: number;
  readonly at: number;
}

/** Which model a session used last and how much of its prompt a cache may hold. Bounded; the longest unused go first. Monotonic milliseconds. */
export class SessionBook {
  readonly #kept = new Map<string, Kept>();

  find(session: string, ttlMs: number, now: number): SessionState | undefined {
    const kept = this.#kept.get(session);
    if (kept === undefined || now - kept.at > ttlMs) return undefined;
    // Whole milliseconds, so that a receipt holds exactly what was decided with.
    return { model: kept.model, tokens: kept.tokens, ageMs: Math.round(now - kept.at) };
  }

  keep(session: string, kept: Kept): void {
    // Deleted first, so that the map's order is the order of last use.
    this.#kept.delete(session);
    this.#kept.set(session, kept);
    if (this.#kept.size <= MAX_SESSIONS) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  get size(): number {
    return this.#kept.size;
  }
}

/** What staying and moving would cost, nano-dollars. */
export interface SwitchPrice {
  readonly stayNano: number;
  readonly moveNano: number;
  /** What the cache that would be lost is worth: reading it all anew at the full rate, once. */
  readonly cacheNano: number;
}

/** Whether a session's prompt cache is worth anything now. */
export function isWarm(policy: SessionPolicy, session: SessionState, current: Candidate): boolean {
  if (session.ageMs > policy.cacheTtlMs || session.tokens < policy.minCacheTokens) return false;
  return current.price !== undefined && current.price.cacheRead < current.price.input;
}

/**
 * The price of this turn where the session is, with its beginning read from the cache, and elsewhere, where all of it is
 * read for the first time; both with the same expected output. A turn takes as many calls as those before it did, and
 * after the first one either model reads the prompt from its cache. Pico-dollars per token, so divided by 1000.
 */
export function priceSwitch(
  situation: Situation & { readonly session: SessionState },
  models: { readonly from: Candidate; readonly to: Candidate },
  outputTokens: number,
): SwitchPrice | undefined {
  const from = models.from.price;
  const to = models.to.price;
  if (from === undefined || to === undefined) return undefined;
  const { tokens, session } = situation;
  const cached = Math.min(tokens, session.tokens);
  const fresh = tokens - cached;
  const nano = (pico: number) => Math.round(pico / 1000);
  const later = (price: Price) =>
    (situation.callsPerTurn - 1) * (tokens * price.cacheRead + outputTokens * price.output);
  return {
    stayNano: nano(cached * from.cacheRead + fresh * from.input + outputTokens * from.output + later(from)),
    moveNano: nano(tokens * to.input + outputTokens * to.output + later(to)),
    cacheNano: nano(cached * Math.max(0, from.input - from.cacheRead)),
  };
}
