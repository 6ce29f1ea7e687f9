import type { Claim, OthersSpend } from '../core/policy/budget-claims.ts';

/** Whose figures others have changed. */
export interface ChangedSpend {
  /** To ask with the next time. */
  readonly version: number;
  /** `undefined`: too many to name. */
  readonly accounts: readonly string[] | undefined;
}

/**
 * Budgets shared by several processes. The invariant: a process claims what it is about to spend before it spends it, all
 * claims of a budget together never exceed its limit, and a claim is only lowered when less is spent.
 */
export interface SharedSpend {
  changed(since: number): Promise<ChangedSpend>;
  /** Writes all claims or none. Resolves to the account whose limit refuses, `undefined` when they stand. */
  claim(claims: readonly Claim[]): Promise<string | undefined>;
  /** What the others have spent and hold, bucket by bucket; nothing for buckets without any. */
  others(
    wishes: readonly { readonly account: string; readonly from: number; readonly to: number }[],
  ): Promise<readonly OthersSpend[]>;
}

/** What a request asks before it spends. */
export interface BudgetClaims {
  /** False while this process is alone. */
  readonly active: boolean;
  /** Claims what this hold sets aside. Resolves to the account that refuses. Throws `ledger_unavailable`. */
  claim(holdId: string): Promise<string | undefined>;
}
