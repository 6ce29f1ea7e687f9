// Counts that several processes share: an amount counts against an account until a time. A window of a rate limit is such
// counts (what was let through in each of its parts), and so are leases. All times are milliseconds of one clock that all
// processes share and that never jumps.

/** What a process counts. */
export interface CountedUntil {
  readonly account: string;
  readonly until: number;
  readonly amount: number;
}

/** What a process would like to count. */
export interface CountWish {
  readonly account: string;
  readonly until: number;
  readonly amount: number;
  /** Less than this is of no use: then nothing is given. */
  readonly least: number;
  /** All processes together, no more than this. */
  readonly limit: number;
}

/** What it may. */
export interface CountGrant {
  readonly amount: number;
  /** What all others count, by when it ends. */
  readonly others: readonly { readonly until: number; readonly amount: number }[];
}

/** What is counted here. */
export interface CountUse {
  usedUntil(until: number): number;
  /** Every end of something that is counted. */
  ends(): Iterable<number>;
}

/** Not known: a message to the others may or may not have arrived. */
const UNKNOWN = -1;
/** Ends remembered before those that are over are forgotten. */
const MAX_ENDS = 200;

/**
 * One account of this process, and what the others know of it. What is used never exceeds what they know: it is raised only
 * by what they granted, and lowered after less is used.
 */
export class CountShare {
  readonly account: string;
  readonly #use: CountUse;
  /** Shares that differ from what the others know. */
  readonly #unwritten: Set<CountShare>;
  readonly #known = new Map<number, number>();
  readonly #touched = new Set<number>();

  constructor(account: string, use: CountUse, unwritten: Set<CountShare>) {
    this.account = account;
    this.#use = use;
    this.#unwritten = unwritten;
    for (const until of use.ends()) this.touch(until);
  }

  /** What may be used besides what is used, without asking. */
  room(until: number): number {
    return Math.max(0, (this.#known.get(until) ?? 0) - this.#use.usedUntil(until));
  }

  /** Something changed. */
  touch(until: number): void {
    this.#touched.add(until);
    this.#unwritten.add(this);
  }

  /** What the others are to be told; counts as told. */
  take(now: number): readonly CountedUntil[] {
    const told: CountedUntil[] = [];
    for (const until of this.#touched) {
      const amount = this.#use.usedUntil(until);
      if (until <= now || amount === (this.#known.get(until) ?? 0)) continue;
      told.push({ account: this.account, until, amount });
      this.#known.set(until, amount);
    }
    this.#touched.clear();
    this.#unwritten.delete(this);
    if (this.#known.size > MAX_ENDS) {
      for (const until of this.#known.keys()) if (until <= now) this.#known.delete(until);
    }
    return told;
  }

  /** A message got lost, or its answer. */
  lost(until: number): void {
    this.#known.set(until, UNKNOWN);
    this.touch(until);
  }

  /** What was granted may be used; what is not used is given back by the next `take`. */
  granted(until: number, amount: number): void {
    this.#known.set(until, Math.max(0, this.#known.get(until) ?? 0) + amount);
    this.touch(until);
  }
}
