import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { AuditEntry, AuditLog } from './audit.ts';
import type { Caller } from './caller.ts';

/** A refusal that may come in floods. */
export interface Refusal extends AuditEntry {
  readonly caller: Pick<Caller, 'actor' | 'address'>;
  readonly details: Readonly<Record<string, unknown>>;
}

const WINDOW_MS = 60_000;
/** Different refusals told apart within a window; the rest is summed up by action. */
const MAX_KINDS = 200;
/** First refusals by a budget that came in a crowd: each gets its entry later. */
const MAX_LATER = 10_000;

interface Counted {
  readonly refusal: Refusal;
  readonly since: number;
  more: number;
}

/**
 * Refusals for the audit log: the first of a kind at once, the others of the same minute as one entry with their number.
 * The first by each budget, key and window has an entry of its own with the budget's figures, in a crowd a little later.
 * Never waits and never throws: a refusal stands whether or not it could be written down.
 */
export class RefusalNotes {
  readonly #ports: { readonly audit: AuditLog; readonly clock: Clock; readonly log: Log };
  readonly #kinds = new Map<string, Counted>();
  readonly #later = new Map<string, Refusal>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(ports: { readonly audit: AuditLog; readonly clock: Clock; readonly log: Log }) {
    this.#ports = ports;
  }

  note(refusal: Refusal): void {
    if (this.#closed) return;
    const { action, target, organization, caller, details } = refusal;
    const { error, budget, window_start: window, field } = details;
    const who = [caller.actor, caller.address];
    const known = [action, target, organization, ...who, error, budget, window, field].join('\n');
    const crowded = this.#kinds.size >= MAX_KINDS && !this.#kinds.has(known);
    if (crowded && budget !== undefined && this.#later.size < MAX_LATER) {
      if (!this.#later.has(known)) {
        this.#later.set(known, refusal);
        return;
      }
    }
    const kind = crowded ? action : known;
    const counted = this.#kinds.get(kind);
    if (counted !== undefined) {
      counted.more += 1;
      return;
    }
    const first = crowded ? { ...refusal, target: '', caller: { actor: 'many', address: '' } } : refusal;
    this.#kinds.set(kind, { refusal: first, since: this.#ports.clock.now(), more: 0 });
    this.#cancel ??= this.#ports.clock.after(WINDOW_MS, () => void this.#sumUp());
    void this.#write(first);
  }

  /** Writes what was counted. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sumUp(MAX_LATER);
  }

  async #sumUp(most = MAX_KINDS): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const all = [...this.#kinds.values()];
    this.#kinds.clear();
    for (const [kind, refusal] of [...this.#later].slice(0, most)) {
      this.#later.delete(kind);
      await this.#write(refusal);
    }
    if (this.#later.size > 0 && !this.#closed)
      this.#cancel ??= this.#ports.clock.after(WINDOW_MS, () => void this.#sumUp());
    for (const { refusal, since, more } of all) {
      if (more === 0) continue;
      const details = { ...refusal.details, more, since: new Date(since).toISOString() };
      await this.#write({ ...refusal, details });
    }
  }

  async #write({ caller, ...entry }: Refusal): Promise<void> {
    try {
      await this.#ports.audit.append(caller, entry);
    } catch (error) {
      this.#ports.log.error('audit.refusal_not_written', { action: entry.action, error: String(error) });
    }
  }
}
