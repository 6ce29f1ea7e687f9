import {
  decodeExchange,
  decodeHold,
  encodeExchange,
  encodeHold,
} from '../../src/adapters/journal/exchange-text.ts';
import { crashedExchange } from '../../src/core/cost/crash.ts';
import type { ExchangeRecord, HoldRecord } from '../../src/core/cost/exchange.ts';
import { SluiceError } from '../../src/core/errors/error.ts';
import type { VirtualKey } from '../../src/core/policy/virtual-key.ts';
import type { BudgetStore } from '../../src/ports/budget-store.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { KeyStore, Store, UsageStore } from '../../src/ports/store.ts';
import type { Timeline } from './clock.ts';
import type { Draw } from './random.ts';

interface Line {
  readonly kind: 'hold' | 'settle';
  readonly id: string;
  /** As the journal writes it: what does not survive its coding is lost here too. */
  readonly text: string;
}

const HOUR_MS = 3_600_000;
/** As `adapters/sqlite/open.ts`: settled exchanges gather this long before they can be queried. */
const INGEST_MS = 100;
/** As `adapters/journal/journal.ts`. */
const RETRY_MS = 1000;

/** What outlives a process: the journal's lines, the rows made from them, and the stored keys. */
export class Disk {
  readonly lines: Line[] = [];
  readonly rows = new Map<string, ExchangeRecord>();
  /** Rows that were to be inserted although they were there. */
  readonly twice: string[] = [];
  readonly keys = new Map<string, VirtualKey>();
  /** The disk takes nothing while this is set. */
  refuses = false;
  /** Nano-dollars of the durable hold, by id; a hold that grew is written again. */
  readonly held = new Map<string, number>();
  #ingested = 0;
  readonly #open = new Map<string, HoldRecord>();

  /** Holds that were read and not settled. */
  get openHolds(): number {
    return this.#open.size;
  }

  /** The kernel has these lines now. */
  append(lines: readonly Line[]): void {
    this.lines.push(...lines);
    for (const { kind, id, text } of lines) {
      if (kind === 'hold') this.held.set(id, decodeHold(id, text).heldNano);
    }
  }

  /** Rows of what was settled so far, in order: `Ingestor.run`. */
  ingest(through = this.lines.length): void {
    for (; this.#ingested < through; this.#ingested++) {
      const line = this.lines[this.#ingested]!;
      if (line.kind === 'hold') this.#open.set(line.id, decodeHold(line.id, line.text));
      else {
        this.#open.delete(line.id);
        this.#insert(decodeExchange(line.id, line.text));
      }
    }
  }

  /** What a start does with what a dead process left: `Ingestor.recover`. Returns the ids charged in full. */
  recover(): readonly string[] {
    this.ingest();
    const left = [...this.#open.keys()];
    for (const hold of this.#open.values()) {
      const text = encodeExchange(crashedExchange(hold));
      this.#insert(decodeExchange(hold.id, text));
    }
    this.#open.clear();
    return left;
  }

  #insert(row: ExchangeRecord): void {
    if (this.rows.has(row.id)) this.twice.push(row.id);
    else this.rows.set(row.id, row);
  }
}

/** Appends in groups; a line is durable when its group's promise resolves, and only then. */
export class SimulatedLedger implements Ledger {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #latencyMs: () => number;
  #group: { lines: Line[]; promise: Promise<void>; end: (error?: SluiceError) => void } | undefined;
  #backlog: Line[] = [];
  #retry: (() => void) | undefined;
  #ingest: (() => void) | undefined;

  constructor(disk: Disk, clock: Clock, latencyMs: () => number) {
    this.#disk = disk;
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  hold(record: HoldRecord): Promise<void> {
    return this.#append({ kind: 'hold', id: record.id, text: encodeHold(record) });
  }

  settle(record: ExchangeRecord): Promise<void> {
    return this.#append({ kind: 'settle', id: record.id, text: encodeExchange(record) });
  }

  async flush(): Promise<void> {
    await this.#group?.promise.catch(() => undefined);
    this.#disk.ingest();
  }

  async close(): Promise<void> {
    await this.flush();
    this.#retry?.();
    this.#ingest?.();
    if (this.#write(this.#backlog)) this.#backlog = [];
    this.#disk.ingest();
  }

  #append(line: Line): Promise<void> {
    if (this.#group === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      promise.catch(() => undefined);
      const end = (error?: SluiceError): void => (error === undefined ? resolve() : reject(error));
      this.#group = { lines: [], promise, end };
      this.#clock.after(this.#latencyMs(), () => this.#flushGroup());
    }
    this.#group.lines.push(line);
    return this.#group.promise;
  }

  #flushGroup(): void {
    const group = this.#group;
    this.#group = undefined;
    if (group === undefined) return;
    if (this.#write([...this.#backlog, ...group.lines])) {
      this.#backlog = [];
      group.end();
      return;
    }
    // What could not be written of the holds is refused to their callers; settles are tried again.
    this.#backlog.push(...group.lines.filter(({ kind }) => kind === 'settle'));
    this.#tryAgain();
    group.end(new SluiceError('ledger_unavailable', 'The simulated disk refuses.', { retryAfterS: 5 }));
  }

  #write(lines: readonly Line[]): boolean {
    if (this.#disk.refuses) return false;
    this.#disk.append(lines);
    if (lines.length > 0) this.#ingest ??= this.#clock.after(INGEST_MS, () => this.#ingestNow());
    return true;
  }

  #ingestNow(): void {
    this.#ingest = undefined;
    this.#disk.ingest();
  }

  #tryAgain(): void {
    this.#retry ??= this.#clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      if (this.#write(this.#backlog)) this.#backlog = [];
      else this.#tryAgain();
    });
  }
}

/** The parts of the store that the data plane and the key directory use. Answers after a moment. */
export function simulatedStore(disk: Disk, timeline: Timeline, draw: Draw): Store {
  const later = <T>(answer: () => T): Promise<T> =>
    new Promise((resolve) => {
      // Read when the question arrives, told later: what is settled meanwhile is not in the answer.
      timeline.in(draw.spread(0.1, 20), () => {
        const value = answer();
        timeline.in(draw.spread(0.1, 20), () => resolve(value));
      });
    });
  const keys: Pick<KeyStore, 'active' | 'get'> = {
    active: () => later(() => [...disk.keys.values()]),
    get: (id) => later(() => disk.keys.get(id)),
  };
  const sums = (since: number): Map<string, number> => {
    const from = Math.floor(since / HOUR_MS) * HOUR_MS;
    const found = new Map<string, number>();
    for (const row of disk.rows.values()) {
      if (row.keyId === undefined || Math.floor(row.startedAt / HOUR_MS) * HOUR_MS < from) continue;
      found.set(row.keyId, (found.get(row.keyId) ?? 0) + (row.cost?.total ?? 0));
    }
    return found;
  };
  const usage: Pick<UsageStore, 'totalsByKey'> = { totalsByKey: (since) => later(() => sums(since)) };
  const budgets: Pick<BudgetStore, 'begin'> = {
    // One process, and every row is charged to its key: there is nothing that is nobody's.
    begin: (spend) =>
      later(() =>
        spend.map(({ account, bucket }) => ({
          account,
          bucket,
          nano: sums(bucket).get(account) ?? 0,
          own: true,
        })),
      ),
  };
  return new Proxy({ keys, usage, budgets } as Partial<Store> as Store, {
    get(target, name) {
      if (name in target) return target[name as keyof Store];
      throw new Error(`the simulated store has no ${String(name)}`);
    },
  });
}
