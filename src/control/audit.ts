import { SluiceError } from '../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { AuditRecord, Store } from '../ports/store.ts';
import { type Caller, type Handlers, toTime } from './caller.ts';
import { teamsWith } from './rights.ts';

/** Entries read at a time while the chain is recomputed. */
const VERIFY_BATCH = 500;

/** What is to be written down. */
export interface AuditEntry {
  readonly action: string;
  readonly target: string;
  /** Whose it is: only this organization and the admin key read the entry. */
  readonly organization?: string;
  /** Facts, without secrets. */
  readonly details: unknown;
}

/** Writes the audit log's chain: each entry holds a keyed hash over itself and its predecessor. */
export class AuditLog {
  readonly #store: Store;
  readonly #secrets: SecretBox;
  readonly #clock: Clock;
  /** Entries are chained one after the other. */
  #last: Promise<AuditRecord | undefined> | undefined;

  constructor(ports: { readonly store: Store; readonly secrets: SecretBox; readonly clock: Clock }) {
    this.#store = ports.store;
    this.#secrets = ports.secrets;
    this.#clock = ports.clock;
  }

  /** Throws when the entry cannot be stored: the write it speaks of must then not happen. */
  async append(caller: Caller, entry: AuditEntry): Promise<void> {
    const before = this.#last ?? this.#store.audit.head();
    const next = before
      .catch(() => this.#store.audit.head())
      .then(async (head) => {
        const record = this.#chain(head, caller, entry);
        await this.#store.audit.append(record);
        return record;
      });
    this.#last = next;
    // A failed append must not poison the chain: the next one asks the store for the head again.
    next.catch(() => {
      if (this.#last === next) this.#last = undefined;
    });
    await next;
  }

  #chain(head: AuditRecord | undefined, caller: Caller, entry: AuditEntry): AuditRecord {
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

  /** Recomputes the chain from its first entry. */
  async verify(): Promise<{ valid: boolean; entries: number; firstBad: number | undefined }> {
    let previous = '';
    let expected = 1;
    for (;;) {
      const batch = await this.#store.audit.after(expected - 1, VERIFY_BATCH);
      for (const record of batch) {
        const good =
          record.sequence === expected &&
          record.previousHash === previous &&
          record.hash === this.hashOf(record);
        if (!good) return { valid: false, entries: expected - 1, firstBad: expected };
        previous = record.hash;
        expected++;
      }
      if (batch.length < VERIFY_BATCH) return { valid: true, entries: expected - 1, firstBad: undefined };
    }
  }
}

/** The organization whose entries a caller reads; `undefined` for all. Throws `forbidden` for who sees only some teams. */
function organizationToRead(caller: Caller): string | undefined {
  if (teamsWith(caller, 'audit:read') !== 'all') {
    throw new SluiceError('forbidden', 'The audit log is read by those who audit the whole organization.');
  }
  return caller.tenant === 'every' ? undefined : caller.tenant.organizationId;
}

/** Reading the audit log. */
export function createAuditHandlers(ports: {
  readonly store: Store;
  readonly audit: AuditLog;
}): Pick<Handlers, 'listAudit' | 'verifyAudit'> {
  return {
    async listAudit(input, caller) {
      const page = await ports.store.audit.list(input, organizationToRead(caller));
      const data = page.data.map((record) => ({
        sequence: record.sequence,
        at: toTime(record.at),
        actor: record.actor,
        action: record.action,
        target: record.target,
        details: JSON.parse(record.details) as unknown,
        hash: record.hash,
      }));
      return { data, next_cursor: page.nextCursor ?? null };
    },
    async verifyAudit(_input, caller) {
      organizationToRead(caller);
      const { valid, entries, firstBad } = await ports.audit.verify();
      return { valid, entries, first_bad_sequence: firstBad ?? null };
    },
  };
}
