import { HOUR_MS } from '../durations.ts';

/** How long a session keeps its place after its last request; vendors keep prompt caches up to an hour. */
const TTL_MS = HOUR_MS;
const MAX_SESSIONS = 50_000;

/** Where a session was answered last. */
export interface Home {
  readonly deployment: string;
  /** Mark of the credential, where the provider has several: caches and encrypted reasoning belong to an account. */
  readonly credential: string | undefined;
}

/** Which deployment a session used last. Bounded; the longest unused go first. Pure; monotonic milliseconds. */
export class Sessions {
  readonly #places = new Map<string, Home & { readonly at: number }>();

  /** The deployment this session used last, if that was not too long ago. */
  find(session: string, now: number): string | undefined {
    return this.home(session, now)?.deployment;
  }

  /** Deployment and credential this session used last, if that was not too long ago. */
  home(session: string, now: number): Home | undefined {
    const place = this.#places.get(session);
    return place !== undefined && now - place.at <= TTL_MS ? place : undefined;
  }

  keep(session: string, home: Home, now: number): void {
    // Deleted first, so that the map's order is the order of last use.
    this.#places.delete(session);
    this.#places.set(session, { ...home, at: now });
    if (this.#places.size <= MAX_SESSIONS) return;
    const [oldest] = this.#places.keys();
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  get size(): number {
    return this.#places.size;
  }
}
