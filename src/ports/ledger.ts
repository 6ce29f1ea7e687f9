import type { ExchangeRecord, HoldRecord } from '../core/cost/exchange.ts';

/**
 * The journal of money. A hold is on disk (at least in the kernel, safe against `kill -9`) when `hold` resolves; a
 * settled exchange likewise when `settle` resolves. Both are grouped, so that many requests share one write.
 */
export interface Ledger {
  /** Throws `ledger_unavailable` when the disk refuses. */
  hold(record: HoldRecord): Promise<void>;
  settle(record: ExchangeRecord): Promise<void>;
  /** Resolves once everything appended so far is visible to queries. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
