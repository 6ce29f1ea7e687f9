import type { Page, PageRequest } from './store.ts';

/**
 * One entry of the audit log's chain. The caller computes `hash` (a MAC over the entry and `previousHash`), so that
 * somebody with the database alone cannot rewrite it.
 */
export interface AuditRecord {
  /** 1, 2, 3, … without gaps. */
  readonly sequence: number;
  readonly at: number;
  /** Who: a user, key or `system`. */
  readonly actor: string;
  /** What, for example `keys.create`. */
  readonly action: string;
  /** To what: an id or name. */
  readonly target: string;
  /** JSON text of the facts; nothing secret. */
  readonly details: string;
  /** Empty for the first entry. */
  readonly previousHash: string;
  readonly hash: string;
}

/** Which entries are shown; all given facts must hold. */
export interface AuditFilter {
  readonly organizationId?: string | undefined;
  readonly actor?: string | undefined;
  /** The whole name, or its beginning where it ends in `*`. */
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  /** At or after. */
  readonly from?: number | undefined;
  /** Before. */
  readonly to?: number | undefined;
}

/** The audit log: append-only, chained by hash. */
export interface AuditStore {
  /** Throws `conflict` unless the record follows the head (sequence and previous hash). */
  append(record: AuditRecord): Promise<void>;
  head(): Promise<AuditRecord | undefined>;
  /** Newest first. */
  list(page: PageRequest, filter?: AuditFilter): Promise<Page<AuditRecord>>;
  /** Oldest first, after `sequence`. At most `limit`. */
  after(sequence: number, limit: number, filter?: AuditFilter): Promise<readonly AuditRecord[]>;
}

/** A place outside the audit table where the newest entry's hash is kept, so that a cut-off end is noticed. */
export interface HeadKeeper {
  /** What was written last; `undefined` when nothing is there. */
  read(): Promise<string | undefined>;
  write(text: string): Promise<void>;
}
