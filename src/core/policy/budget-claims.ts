import type { Account } from './budget-account.ts';
import { rollingMs } from './budget-window.ts';
import { add } from './nano.ts';

/** Nano-dollars in one window of a budget, or one part of a rolling one. */
export interface ClaimedPart {
  readonly bucket: number;
  readonly nano: number;
}

/** What a process has spent and holds of a budget, to be known to the others. */
export interface Claim {
  readonly account: string;
  /** The buckets that count now: from this one … */
  readonly from: number;
  /** … to this one, both included. */
  readonly to: number;
  /** All this process has spent and holds in them. */
  readonly ownNano: number;
  /** What of it is to be written down anew. */
  readonly parts: readonly ClaimedPart[];
  /** Together with the others' no more than this; absent: it is not asked. */
  readonly limitNano?: number;
}

/** What others have spent and hold in one bucket of a budget. */
export interface OthersSpend {
  readonly account: string;
  readonly bucket: number;
  readonly settledNano: number;
  readonly heldNano: number;
}

/** The buckets that count in the account's window. */
export function rangeOf({ id, parts, definition, windowStart }: Account): {
  readonly account: string;
  readonly from: number;
  readonly to: number;
} {
  if (parts === undefined) return { account: id, from: windowStart, to: windowStart };
  return { account: id, from: windowStart - rollingMs(definition), to: Number.MAX_SAFE_INTEGER };
}

/** What the account is to claim now; its parts count as written down afterwards. */
export function claimOf(account: Account, limitNano: number | undefined): Claim {
  const { parts, settled, held, windowStart } = account;
  const written = new Map<number, number>();
  if (parts === undefined) written.set(windowStart, add(settled, held));
  else {
    for (const bucket of account.unwritten) written.set(bucket, parts.get(bucket) ?? 0);
    // What is held burdens the newest part, whichever it was made in.
    written.set(windowStart, add(parts.get(windowStart) ?? 0, held));
    account.unwritten.clear();
    account.unwritten.add(windowStart);
  }
  return {
    ...rangeOf(account),
    ownNano: add(settled, held),
    parts: [...written].map(([bucket, nano]) => ({ bucket, nano })),
    ...(limitNano === undefined ? {} : { limitNano }),
  };
}

/** Replaces what is known of the others. */
export function putOthers(account: Account, rows: readonly OthersSpend[]): void {
  account.others = new Map(rows.map((row) => [row.bucket, row]));
  sumOthers(account);
}

/** Drops what has left the window. */
export function advanceOthers(account: Account): void {
  if (account.others.size === 0) return;
  const { from, to } = rangeOf(account);
  for (const bucket of account.others.keys()) {
    if (bucket < from || bucket > to) account.others.delete(bucket);
  }
  sumOthers(account);
}

function sumOthers(account: Account): void {
  account.othersSettled = 0;
  account.othersHeld = 0;
  for (const { settledNano, heldNano } of account.others.values()) {
    account.othersSettled = add(account.othersSettled, settledNano);
    account.othersHeld = add(account.othersHeld, heldNano);
  }
}
