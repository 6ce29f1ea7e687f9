import type { Claim, OthersSpend } from '../core/policy/budget-claims.ts';

/** What is new about the others. */
export interface OthersNews {
  /** To ask with the next time. */
  readonly version: number;
  /** Other processes that run. */
  readonly others: number;
  /** When the newest of them joined, in versions; 0 without any. */
  readonly newest: number;
  /** Whose figures changed. */
  readonly accounts: readonly string[];
  /** A process left: figures of any may have changed. */
  readonly everything: boolean;
}

/**
 * Budgets shared by several processes. The invariant: a process claims what it is about to spend before it spends it, all
 * claims of a budget together never exceed its limit, and a claim is only lowered when less is spent. A process that is
 * alone claims nothing; one that joins waits until all others have acknowledged it, which they do once they claim.
 */
export interface SharedSpend {
  /** This process runs; resolves to its version. */
  join(): Promise<number>;
  /** Whether every other process has acknowledged that version. */
  isAcknowledged(version: number): Promise<boolean>;
  acknowledge(version: number): Promise<void>;
  news(since: number): Promise<OthersNews>;
  /** Writes all claims or none. Resolves to the account whose limit refuses, `undefined` when they stand. */
  claim(claims: readonly Claim[]): Promise<string | undefined>;
  /** What the others have spent and hold, bucket by bucket; nothing for buckets without any. */
  others(
    wishes: readonly { readonly account: string; readonly from: number; readonly to: number }[],
  ): Promise<readonly OthersSpend[]>;
  /** Charges what processes left behind that are gone; resolves to how many. */
  takeOver(): Promise<number>;
  /** Everything is settled; the claims are taken back. */
  leave(): Promise<void>;
}

/** What a request asks before it spends. */
export interface BudgetClaims {
  /** False while this process is alone. */
  readonly active: boolean;
  /** Claims what this hold sets aside. Resolves to the account that refuses. Throws `ledger_unavailable`. */
  claim(holdId: string): Promise<string | undefined>;
}
