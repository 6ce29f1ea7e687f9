import { SluiceError } from '../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { AuditRecord, HeadKeeper } from '../ports/audit-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import { type Head, HeadBook, type KeptHeads, settingKeeper } from './audit-head.ts';
import { type Caller, operator } from './caller.ts';

/** Entries read at a time while the chain is recomputed. */
const VERIFY_BATCH = 500;
/** Another process may append at the same time; each try reads the head anew. */
const MAX_TRIES = 64;
/** The entry that says that the entries before it are not all there were. */
const CUT_OFF = 'audit.cut_off';

/** What is to be written down. */
export interface AuditEntry {
  readonly action: string;
  readonly target: string;
  /** Whose it is: only this organization and the admin key read the entry. */
  readonly organization?: string | undefined;
  /** Facts, without secrets. */
  readonly details: unknown;
}

export type AuditProblem = 'altered' | 'missing' | 'cut_off' | 'head_forged' | 'head_missing';

/** What recomputing the chain found. */
export interface Verdict {
  readonly valid: boolean;
  /** Entries that are in order. */
  readonly entries: number;
  readonly firstBad: number | undefined;
  readonly problem: AuditProblem | undefined;
  /** The newest entry that is in order. */
  readonly head: Head | undefined;
}

export interface AuditPorts {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  /** Where the head is kept besides the database. */
  readonly heads?: readonly HeadKeeper[];
}

/** Writes the audit log's chain: each entry holds a keyed hash over itself and its predecessor. */
export class AuditLog {
  readonly #store: Store;
  readonly #secrets: SecretBox;
  readonly #clock: Clock;
  readonly #heads: HeadBook;
  readonly #listeners = new Set<() => void>();
  /** Entries are chained one after the other. */
  #last: Promise<AuditRecord | undefined> | undefined;

  constructor(ports: AuditPorts) {
    this.#store = ports.store;
    this.#secrets = ports.secrets;
    this.#clock = ports.clock;
    const keepers = [settingKeeper(ports.store.settings, ports.clock), ...(ports.heads ?? [])];
    this.#heads = new HeadBook(keepers, ports.secrets);
  }

  /** Throws `ledger_unavailable` when the entry cannot be stored: the write it speaks of must then not happen. */
  async append(caller: Pick<Caller, 'actor' | 'address'>, entry: AuditEntry): Promise<void> {
    const before = this.#last ?? this.#newest();
    const next = before
      .catch(() => this.#newest())
      .then((head) => this.#write(head, caller, entry))
      .catch((cause: unknown) => {
        throw unwritten(cause);
      });
    this.#last = next;
    // A failed append must not poison the chain: the next one asks the store for the head again.
    next.catch(() => {
      if (this.#last === next) this.#last = undefined;
    });
    await this.#heads.keep(await next);
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after every entry this process wrote; the returned function stops it. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #write(
    known: AuditRecord | undefined,
    caller: Pick<Caller, 'actor' | 'address'>,
    entry: AuditEntry,
  ): Promise<AuditRecord> {
    let head = known;
    for (let left = MAX_TRIES; ; left -= 1) {
      const record = this.#chain(head, caller, entry);
      try {
        await this.#store.audit.append(record);
        return record;
      } catch (error) {
        if (!(error instanceof SluiceError) || error.code !== 'conflict' || left === 1) throw error;
        head = await this.#newest(head);
      }
    }
  }

  /**
   * The newest entry, to go on from. When the chain reached further once than it does now, that is written down in it first:
   * what is appended to a log that was cut off must not make it look whole.
   * @param known the newest entry this process knows of
   */
  async #newest(known?: AuditRecord): Promise<AuditRecord | undefined> {
    // Read before the chain: a head is kept after its entry is stored.
    const kept = await this.#heads.read();
    const head = await this.#store.audit.head();
    const found = head?.sequence ?? 0;
    const reached = Math.max(known?.sequence ?? 0, ...kept.heads.map(({ sequence }) => sequence));
    if (reached <= found) return head;
    const record = this.#chain(head, operator('system', ''), {
      action: CUT_OFF,
      target: '',
      details: { reached, found },
    });
    try {
      await this.#store.audit.append(record);
      return record;
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'conflict') throw error;
      return this.#newest(known);
    }
  }

  #chain(
    head: AuditRecord | undefined,
    caller: Pick<Caller, 'actor' | 'address'>,
    entry: AuditEntry,
  ): AuditRecord {
    const open = {
      sequence: (head?.sequence ?? 0) + 1,
      at: this.#clock.now(),
      actor: caller.actor,
      action: entry.action,
      target: entry.target,
      details: JSON.stringify({
        ...(entry.details as object),
        organization: entry.organization ?? DEFAULT_ORGANIZATION_ID,
        from: caller.address,
      }),
      previousHash: head?.hash ?? '',
    };
    return { ...open, hash: this.hashOf(open) };
  }

  /** Keyed hash of an entry's fields in a fixed order. */
  hashOf(record: Omit<AuditRecord, 'hash'>): string {
    const { sequence, at, actor, action, target, details, previousHash } = record;
    const fields = [sequence, at, actor, action, target, details, previousHash];
    return this.#secrets.sign(JSON.stringify(fields), 'audit');
  }

  /**
   * Keeps the head of a log that has none yet: one from before heads were kept, or one whose heads somebody removed, which
   * nobody can tell apart, so that it is written down.
   */
  async open(): Promise<void> {
    const head = await this.#store.audit.head();
    const kept = await this.#heads.read();
    if (head === undefined || kept.heads.length > 0 || kept.forged) return;
    const details = { entries: head.sequence };
    await this.append(operator('system', ''), { action: 'audit.head_missing', target: '', details });
  }

  /** The newest entry as it stands in the store. */
  async head(): Promise<Head | undefined> {
    const head = await this.#store.audit.head();
    return head && { sequence: head.sequence, hash: head.hash };
  }

  /**
   * Recomputes the chain from its first entry, and compares its end with the heads kept elsewhere.
   * @param outside a head that somebody wrote down outside the gateway
   */
  async verify(outside?: Head): Promise<Verdict> {
    // Read before the chain: entries that are written meanwhile come after these heads.
    const kept = await this.#heads.read();
    const wanted = [...kept.heads, ...(outside === undefined ? [] : [outside])];
    const at = new Map<number, string>();
    let previous: Head | undefined;
    let cut: Verdict | undefined;
    for (;;) {
      const batch = await this.#store.audit.after(
        previous?.sequence ?? Number.MIN_SAFE_INTEGER,
        VERIFY_BATCH,
      );
      for (const record of batch) {
        const problem = this.#fault(record, previous);
        if (problem !== undefined) return bad(problem, previous);
        if (record.action === CUT_OFF) cut ??= bad('cut_off', previous);
        previous = { sequence: record.sequence, hash: record.hash };
        if (wanted.some(({ sequence }) => sequence === record.sequence)) at.set(record.sequence, record.hash);
      }
      if (batch.length < VERIFY_BATCH) return judge({ kept, wanted, at, cut, last: previous });
    }
  }

  #fault(record: AuditRecord, previous: Head | undefined): AuditProblem | undefined {
    if (record.sequence !== (previous?.sequence ?? 0) + 1) return 'missing';
    const good = record.previousHash === (previous?.hash ?? '') && record.hash === this.hashOf(record);
    return good ? undefined : 'altered';
  }
}

function bad(problem: AuditProblem, last: Head | undefined): Verdict {
  const entries = last?.sequence ?? 0;
  return { valid: false, entries, firstBad: entries + 1, problem, head: last };
}

/** The chain itself is whole; is it all of it? */
function judge(found: {
  readonly kept: KeptHeads;
  readonly wanted: readonly Head[];
  readonly at: ReadonlyMap<number, string>;
  /** Set by the first entry that says that others were missing when it was written. */
  readonly cut: Verdict | undefined;
  readonly last: Head | undefined;
}): Verdict {
  const { kept, wanted, at, cut, last } = found;
  const entries = last?.sequence ?? 0;
  if (kept.forged) return bad('head_forged', last);
  if (wanted.some(({ sequence }) => sequence > entries)) return bad('cut_off', last);
  const other = wanted.find(({ sequence, hash }) => at.get(sequence) !== hash);
  if (other !== undefined) return { ...bad('altered', last), firstBad: other.sequence };
  if (cut !== undefined) return cut;
  if (entries > 0 && kept.heads.length === 0) return bad('head_missing', last);
  return { valid: true, entries, firstBad: undefined, problem: undefined, head: last };
}

/** Whatever the store failed with: the call is refused as long as it cannot be written down. */
function unwritten(cause: unknown): SluiceError {
  if (cause instanceof SluiceError && cause.status === 503) return cause;
  return new SluiceError(
    'ledger_unavailable',
    'The audit log cannot be written now, so nothing was changed; try again in a moment.',
    { cause, retryAfterS: 5 },
  );
}
