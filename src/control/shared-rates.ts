import { SluiceError } from '../core/errors/error.ts';
import type { JointRequest, RateLimiter } from '../core/policy/rate.ts';
import type { JointDecision } from '../core/policy/rate-rule.ts';
import { accountOf, type Wanted } from '../core/policy/rate-sharing.ts';
import type { CountGrant } from '../core/policy/shared-count.ts';
import type { Clock } from '../ports/clock.ts';
import type { RateShares, SharedAsk, SharedCounts } from '../ports/shared-counts.ts';
import type { Shared } from './processes.ts';

/** What another process gives back may take this long to be known: nobody is refused for that. */
const GRACE_MS = 25;
/** A part of a window may begin between the question and its answer. */
const MAX_ROUNDS = 3;

export interface SharedRatesPorts {
  readonly store: { readonly counts: SharedCounts };
  readonly limiter: RateLimiter;
  readonly clock: Clock;
}

/** What came of a round of questions. */
interface Round {
  /** Something arrived. */
  readonly granted: boolean;
  /** Accounts that had not all that was asked for. */
  readonly short: ReadonlySet<string>;
}

interface Asked {
  readonly wish: JointRequest;
  answered(round: Round): void;
  failed(error: unknown): void;
}

/**
 * Keeps rate limits and leases in step with other processes on the same database, see `SharedCounts`. One question is under
 * way at a time, for all requests that came meanwhile: the more come, the fewer questions each of them takes.
 */
export class SharedRates implements RateShares, Shared {
  readonly #ports: SharedRatesPorts;
  #asked: Asked[] = [];
  /** The round that is to come, and the end of the one before. */
  #next: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isAlone = true;

  constructor(ports: SharedRatesPorts) {
    this.#ports = ports;
  }

  get active(): boolean {
    return this.#ports.limiter.sharing;
  }

  share(active: boolean): void {
    this.#isAlone = !active;
    if (active) this.#ports.limiter.share();
  }

  async publish(): Promise<void> {
    if (!this.active) return;
    await this.#soon();
  }

  /** Nothing: every request asks. */
  async refresh(): Promise<void> {}

  acquire(asking: SharedAsk): Promise<JointDecision> {
    const { clock } = this.#ports;
    return new Promise((resolve, reject) => {
      let rounds = 0;
      const wish = (): void => this.#ask(asking, answered, reject);
      const answered = ({ short }: Round): void => {
        const decision = asking.ask();
        rounds += 1;
        if (decision.granted || rounds >= MAX_ROUNDS) resolve(decision);
        else if (!short.has(accountOf(decision.place.id, decision.refusedBy))) wish();
        else if (decision.refusedBy === 'concurrency' && rounds === 1) clock.after(GRACE_MS, wish);
        else resolve(decision);
      };
      wish();
    });
  }

  fetch(asking: SharedAsk, arrived: () => void): void {
    const answered = ({ granted }: Round): void => {
      if (granted) arrived();
    };
    // Whoever waits asks again soon.
    this.#ask(asking, answered, () => undefined);
  }

  returned(): void {
    this.#soon().catch(() => undefined);
  }

  /** Requests of this identity that run in other processes. */
  async elsewhere(ids: readonly string[]): Promise<readonly number[]> {
    const { store, clock } = this.#ports;
    if (!this.active) return ids.map(() => 0);
    const accounts = ids.map((id) => accountOf(id, 'concurrency'));
    return store.counts.others(accounts, clock.monotonic());
  }

  #ask({ places, request }: SharedAsk, answered: Asked['answered'], failed: Asked['failed']): void {
    this.#asked.push({ wish: { places, request: request() }, answered, failed });
    this.returned();
  }

  /** A round after the one that is under way. */
  #soon(): Promise<void> {
    if (this.#next === undefined) {
      this.#next = this.#last.then(() => {
        this.#next = undefined;
        return this.#round();
      });
      this.#last = this.#next.catch(() => undefined);
    }
    return this.#next;
  }

  /** Tells the others what changed here, and asks for what is wanted. Answers are taken in the turn in which they come. */
  async #round(): Promise<void> {
    const { limiter, clock, store } = this.#ports;
    const asked = this.#asked;
    this.#asked = [];
    const now = clock.monotonic();
    let lost = (): void => undefined;
    try {
      if (this.#isAlone && this.active) await this.#inherit(now);
      const wishes = asked.map(({ wish }) => wish);
      const wanted = limiter.want(wishes, now);
      const told = limiter.takeUnwritten(now);
      lost = () => {
        told?.lost();
        for (const one of wanted) one.lost();
      };
      const counts = told?.counts ?? [];
      const asking = wanted.map(({ wish }) => wish);
      const isNews = counts.length + asking.length > 0;
      take(wanted, isNews ? await store.counts.exchange(counts, asking, now) : [], asked);
      // What was granted and is of no use, because another limit refused, goes back at once.
      if (asking.length > 0) this.returned();
    } catch (cause) {
      lost();
      for (const { failed } of asked) failed(unavailable(cause));
      throw cause;
    }
  }

  /** Counts what those that are gone have counted, and asks nobody any more. */
  async #inherit(now: number): Promise<void> {
    const { limiter, store } = this.#ports;
    const inherited = await store.counts.inherit(now);
    if (inherited === undefined) return;
    limiter.unshare(inherited, now);
    // Somebody came meanwhile; he waits until all this is written down.
    if (!this.#isAlone) limiter.share();
    // What stays written down would count twice later: too much rather than too little.
    await store.counts.clear().catch(() => undefined);
  }
}

function take(wanted: readonly Wanted[], grants: readonly CountGrant[], asked: readonly Asked[]): void {
  const short = new Set<string>();
  let granted = false;
  for (let at = 0; at < wanted.length; at++) {
    const grant = grants[at];
    const one = wanted[at];
    if (grant === undefined || one === undefined) continue;
    one.granted(grant);
    if (grant.amount > 0) granted = true;
    if (grant.amount < one.wish.amount) short.add(one.wish.account);
  }
  for (const { answered } of asked) answered({ granted, short });
}

function unavailable(cause: unknown): SluiceError {
  return new SluiceError(
    'ledger_unavailable',
    'The storage that processes share rate limits through does not answer; try again in a moment.',
    { retryAfterS: 1, cause },
  );
}
