/** First rest of a credential that was refused; doubles while it keeps being refused. */
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 900_000;

interface Credential {
  inFlight: number;
  /** Counts up with every use of the pool: among equals the one used longest ago goes first. */
  usedAt: number;
  refusals: number;
  restsUntil: number;
}

/** One entry of a pool as the operator may see it. */
export interface CredentialView {
  readonly inFlight: number;
  /** Monotonic ms; in the past when it may be used. */
  readonly restsUntil: number;
}

/**
 * A provider's pool of credentials, used where least is in flight. One that the provider refuses (401, 402, 403) rests:
 * one minute, doubling to 15. Pure; times are monotonic milliseconds. Credentials are known by their place in the pool.
 */
export class CredentialPool {
  #credentials: Credential[] = [];
  #uses = 0;

  /** A new configuration's number of credentials. */
  resize(count: number): void {
    while (this.#credentials.length < count) {
      this.#credentials.push({ inFlight: 0, usedAt: 0, refusals: 0, restsUntil: 0 });
    }
    this.#credentials.length = count;
  }

  /**
   * The credential to use: of those that rest neither here nor by `resting` the one with the least in flight. When all
   * rest, the one whose own rest ends first; `undefined` for an empty pool.
   */
  choose(now: number, resting: (index: number) => boolean): number | undefined {
    let best: number | undefined;
    for (let index = 0; index < this.#credentials.length; index++) {
      if (this.rests(index, now) || resting(index)) continue;
      if (best === undefined || this.#before(index, best)) best = index;
    }
    if (best !== undefined || this.#credentials.length === 0) return best;
    const ends = this.#credentials.map((credential) => credential.restsUntil);
    return ends.indexOf(Math.min(...ends));
  }

  /** Whether any credential may be used. An empty pool needs none. */
  usable(now: number, resting: (index: number) => boolean): boolean {
    if (this.#credentials.length === 0) return !resting(-1);
    return this.#credentials.some((_, index) => !this.rests(index, now) && !resting(index));
  }

  /** Whether this one was refused lately. */
  rests(index: number, now: number): boolean {
    return (this.#credentials[index]?.restsUntil ?? 0) > now;
  }

  begin(index: number): void {
    const credential = this.#credentials[index];
    if (credential === undefined) return;
    credential.inFlight++;
    credential.usedAt = ++this.#uses;
  }

  end(index: number): void {
    const credential = this.#credentials[index];
    if (credential !== undefined && credential.inFlight > 0) credential.inFlight--;
  }

  /** The provider let it in. */
  accepted(index: number): void {
    const credential = this.#credentials[index];
    if (credential === undefined) return;
    credential.refusals = 0;
    credential.restsUntil = 0;
  }

  /** The provider refused it. Several refusals of one moment count once. */
  refused(index: number, now: number): void {
    const credential = this.#credentials[index];
    if (credential === undefined || credential.restsUntil > now) return;
    const rest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** credential.refusals);
    credential.refusals++;
    credential.restsUntil = now + rest;
  }

  view(): readonly CredentialView[] {
    return this.#credentials.map(({ inFlight, restsUntil }) => ({ inFlight, restsUntil }));
  }

  #before(a: number, b: number): boolean {
    const [one, other] = [this.#credentials[a], this.#credentials[b]];
    if (one === undefined || other === undefined) return false;
    return one.inFlight < other.inFlight || (one.inFlight === other.inFlight && one.usedAt < other.usedAt);
  }
}
