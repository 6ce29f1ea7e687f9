import type { JointRequest, RateRequest } from '../core/policy/rate.ts';
import type { JointDecision } from '../core/policy/rate-rule.ts';
import type { CountedUntil, CountGrant, CountWish } from '../core/policy/shared-count.ts';

/**
 * Counts that processes share. The invariant: what a process uses of an account is written down before, and what is written
 * down by all together exceeds no limit it was granted under. `now` and `until` are times of `Clock.monotonic`.
 */
export interface SharedCounts {
  /** Replaces what this process counts, then grants as much of each wish as fits, in their order; all in one step. */
  exchange(
    told: readonly CountedUntil[],
    wishes: readonly CountWish[],
    now: number,
  ): Promise<readonly CountGrant[]>;
  /** What the other processes count now, account by account. */
  others(accounts: readonly string[], now: number): Promise<readonly number[]>;
  /**
   * For a process that is alone: what those that are gone have counted, which is its own from now on. `undefined`: others
   * run.
   */
  inherit(now: number): Promise<readonly CountedUntil[] | undefined>;
  /** For a process that knows all that counts: nothing stays written down. */
  clear(): Promise<void>;
}

/** A request as it asks for places in limits that processes share. */
export interface SharedAsk {
  readonly places: JointRequest['places'];
  readonly request: () => RateRequest;
  /** Decides by what is known here. */
  readonly ask: () => JointDecision;
}

/** What the data plane asks where processes share limits. */
export interface RateShares {
  /** False while this process is alone. */
  readonly active: boolean;
  /** Asks the others for room, then decides. Throws `ledger_unavailable`. */
  acquire(asking: SharedAsk): Promise<JointDecision>;
  /** Asks for room only; `arrived` is called when there is some. */
  fetch(asking: SharedAsk, arrived: () => void): void;
  /** Something was given back: the others are told. */
  returned(): void;
}
