import { join } from 'node:path';
import { DAY_MS, HOUR_MS } from '../../core/durations.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { ExchangeStore, Page, Store } from '../../ports/store.ts';
import { decodeExchange } from '../journal/exchange-text.ts';
import type { Journal } from '../journal/journal.ts';
import { Channel } from './channel.ts';
import type { ExchangeText } from './exchanges.ts';
import type { IngestReport } from './ingest.ts';

/** How the database is kept. */
export interface SqliteOptions {
  /** The data directory; the file in it is `sluice.db`. */
  readonly directory: string;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  /** Raw rows older than this, or over that many bytes in all, are deleted. Absent: no such limit. */
  readonly retention?: {
    readonly maxAgeMs?: number;
    readonly maxBytes?: number;
    /** Sums by hour that are older become sums by day. */
    readonly maxHourlyAgeMs?: number;
    /** Sums by day that are older are deleted. */
    readonly maxDailyAgeMs?: number;
  };
  /** How long settled exchanges gather before they are ingested. Default 100 ms. */
  readonly ingestDelayMs?: number;
  /** Default 10 s. */
  readonly timeoutMs?: number;
  /** Default 1000 calls. */
  readonly maxPending?: number;
}

/** The database and the ledger over it. Close the ledger first: it flushes into the store. */
export interface Sqlite {
  readonly store: Store;
  /** `close` closes the journal as well. */
  readonly ledger: Ledger;
}

const INGEST_DELAY_MS = 100;
const INGEST_RETRY_MS = 1000;
const FLUSH_TIMEOUT_MS = 60_000;
const MAINTENANCE_MS = 60_000;
/** How often it is looked whether a process that shares the database is gone. */
const LEFT_BEHIND_MS = 5000;
/** How long after midnight a day is summed up; what comes later costs a little more. */
const DAY_GRACE_MS = HOUR_MS;
/** A hold this old belongs to no request any more; see `Ingestor.expireHolds`. */
const HOLD_MAX_AGE_MS = DAY_MS;

/**
 * Opens `sluice.db` in a worker thread: migrates it, takes in what earlier processes left in the journal, and charges
 * their open holds.
 * @throws SluiceError `conflict` for a newer or altered schema, `ledger_unavailable` when the disk refuses
 */
export async function openSqlite(options: SqliteOptions): Promise<Sqlite> {
  const { journal, clock, log } = options;
  let ingestion: Ingestion | undefined;
  const channel = await Channel.open({
    start: {
      databasePath: join(options.directory, 'sluice.db'),
      journalDirectory: journal.directory,
      firstSegment: journal.firstSegment,
      slot: journal.slot,
    },
    clock,
    timeoutMs: options.timeoutMs ?? 10_000,
    maxPending: options.maxPending ?? 1000,
    onCrash: (reason) => log.error('storage_restarting', { reason }),
    onReady: (report) => {
      reportRecovery(log, report);
      ingestion?.wake();
    },
  });
  ingestion = new Ingestion(channel, options);
  const maintenance = new Maintenance(channel, options);
  const ledger = new JournalledLedger(journal, ingestion);
  const store = storeOver(channel, async () => {
    maintenance.stop();
    ingestion.stop();
    await channel.close();
  });
  return { store, ledger };
}

function reportRecovery(log: Log, { rows, crashed, damaged }: IngestReport): void {
  if (rows + crashed + damaged > 0) {
    log.info('ledger_recovered', { rows, crashed, damaged });
  }
}

/** Tells the worker how far the journal may be read, shortly after something was appended. */
class Ingestion {
  readonly #channel: Channel;
  readonly #options: SqliteOptions;
  #cancel: (() => void) | undefined;
  #running = false;
  #again = false;
  #failing = false;
  #stopped = false;

  constructor(channel: Channel, options: SqliteOptions) {
    this.#channel = channel;
    this.#options = options;
    options.journal.onAppend(() => this.wake());
  }

  wake(): void {
    if (this.#running) {
      this.#again = true;
    } else if (this.#cancel === undefined && !this.#stopped) {
      const delay = this.#failing ? INGEST_RETRY_MS : (this.#options.ingestDelayMs ?? INGEST_DELAY_MS);
      this.#cancel = this.#options.clock.after(delay, () => this.#start());
    }
  }

  /** Everything written so far, now. */
  async through(): Promise<void> {
    const position = this.#options.journal.position();
    const report = await this.#channel.call('ledger', 'ingest', [position], FLUSH_TIMEOUT_MS);
    const { damaged } = report as IngestReport;
    if (damaged > 0) {
      this.#options.log.error('journal_damaged', { lines: damaged });
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  async #start(): Promise<void> {
    this.#cancel = undefined;
    this.#running = true;
    this.#again = false;
    try {
      await this.through();
      this.#failing = false;
    } catch (error) {
      // Nothing is lost, it stays in the journal. One line for a row of failures.
      if (!this.#failing && !this.#stopped) {
        this.#options.log.warn('ingest_failed', {
          reason: error instanceof Error ? error.message : 'unknown',
        });
      }
      this.#failing = true;
      this.#again = true;
    }
    this.#running = false;
    if (this.#again) {
      this.wake();
    }
  }
}

/** Retention, now and then. */
class Maintenance {
  readonly #channel: Channel;
  readonly #options: SqliteOptions;
  #cancel: () => void;
  #cancelLook: () => void;

  constructor(channel: Channel, options: SqliteOptions) {
    this.#channel = channel;
    this.#options = options;
    this.#cancel = options.clock.after(MAINTENANCE_MS, () => this.#run());
    this.#cancelLook = options.clock.after(LEFT_BEHIND_MS, () => this.#look());
  }

  stop(): void {
    this.#cancel();
    this.#cancelLook();
  }

  async #look(): Promise<void> {
    const left = await this.#channel.call('processes', 'takeOver', [], FLUSH_TIMEOUT_MS).catch(() => 0);
    if (Number(left) > 0) this.#options.log.warn('processes_taken_over', { count: Number(left) });
    this.#cancelLook = this.#options.clock.after(LEFT_BEHIND_MS, () => this.#look());
  }

  async #run(): Promise<void> {
    this.#cancel = this.#options.clock.after(MAINTENANCE_MS, () => this.#run());
    const { clock, log, retention } = this.#options;
    const now = clock.now();
    try {
      const limits = {
        ...(retention?.maxAgeMs === undefined ? {} : { before: now - retention.maxAgeMs }),
        ...(retention?.maxBytes === undefined ? {} : { maxBytes: retention.maxBytes }),
      };
      if (Object.keys(limits).length > 0) {
        await this.#channel.call('exchanges', 'prune', [limits], FLUSH_TIMEOUT_MS);
      }
      await this.#channel.call('ledger', 'sumUpDays', [now - DAY_GRACE_MS], FLUSH_TIMEOUT_MS);
      const sums = {
        ...(retention?.maxHourlyAgeMs === undefined ? {} : { hoursBefore: now - retention.maxHourlyAgeMs }),
        ...(retention?.maxDailyAgeMs === undefined ? {} : { daysBefore: now - retention.maxDailyAgeMs }),
      };
      if (Object.keys(sums).length > 0) {
        await this.#channel.call('ledger', 'pruneSums', [sums], FLUSH_TIMEOUT_MS);
      }
      const lost = await this.#channel.call('ledger', 'expireHolds', [now - HOLD_MAX_AGE_MS]);
      if (Number(lost) > 0) {
        log.error('holds_expired', { count: Number(lost) });
      }
    } catch (error) {
      log.warn('maintenance_failed', { reason: error instanceof Error ? error.message : 'unknown' });
    }
  }
}

class JournalledLedger implements Ledger {
  readonly #journal: Journal;
  readonly #ingestion: Ingestion;
  readonly hold: Ledger['hold'];
  readonly settle: Ledger['settle'];

  constructor(journal: Journal, ingestion: Ingestion) {
    this.#journal = journal;
    this.#ingestion = ingestion;
    this.hold = journal.hold.bind(journal);
    this.settle = journal.settle.bind(journal);
  }

  async flush(): Promise<void> {
    await this.#journal.drain();
    await this.#ingestion.through();
  }

  async close(): Promise<void> {
    try {
      // Closing unlocks the directory, so as much as possible is ingested before.
      await this.flush().catch(() => undefined);
      await this.#journal.close();
    } finally {
      this.#ingestion.stop();
      await this.#ingestion.through();
    }
  }
}

/** The port, method by method, over messages. */
function storeOver(channel: Channel, close: () => Promise<void>): Store {
  const noun = <T extends object>(name: string, methods: readonly (keyof T & string)[]): T =>
    Object.fromEntries(
      methods.map((method) => [method, (...args: unknown[]) => channel.call(name, method, args)]),
    ) as T;
  return {
    keys: noun<Store['keys']>('keys', ['insert', 'list', 'get', 'update', 'active']),
    exchanges: exchangesOver(channel),
    usage: noun<Store['usage']>('usage', ['spend', 'byModel', 'total', 'totalsByKey']),
    prices: noun<Store['prices']>('prices', ['list', 'put', 'delete']),
    settings: noun<Store['settings']>('settings', ['get', 'put', 'delete', 'list', 'deleteExpired']),
    audit: noun<Store['audit']>('audit', ['append', 'head', 'list', 'after']),
    credentials: noun<Store['credentials']>('credentials', ['insert', 'update', 'remove', 'all', 'rewrap']),
    labels: noun<Store['labels']>('labels', [
      'put',
      'list',
      'addRun',
      'runs',
      'spent',
      'addVersion',
      'versions',
      'newest',
      'version',
      'prune',
    ]),
    keyring: noun<Store['keyring']>('keyring', ['all', 'insert', 'rewrap']),
    budgets: noun<Store['budgets']>('budgets', [
      'insert',
      'update',
      'remove',
      'all',
      'spendSince',
      'begin',
      'pruneSpend',
    ]),
    rateRules: noun<Store['rateRules']>('rateRules', ['insert', 'update', 'remove', 'all']),
    shared: noun<Store['shared']>('shared', ['changed', 'claim', 'others']),
    counts: noun<Store['counts']>('counts', ['exchange', 'others', 'inherit', 'clear']),
    processes: noun<Store['processes']>('processes', [
      'join',
      'isAcknowledged',
      'isEldest',
      'acknowledge',
      'news',
      'takeOver',
      'leave',
    ]),
    attempts: noun<Store['attempts']>('attempts', ['begin', 'forget']),
    turns: noun<Store['turns']>('turns', ['take', 'give']),
    approvals: noun<Store['approvals']>('approvals', [
      'insert',
      'get',
      'list',
      'findOpen',
      'countPending',
      'decide',
      'use',
      'prune',
    ]),
    places: noun<Store['places']>('places', [
      'insert',
      'get',
      'list',
      'update',
      'remove',
      'findIdentity',
      'all',
      'changesSince',
    ]),
    close,
  };
}

/** Records arrive as text. */
function exchangesOver(channel: Channel): ExchangeStore {
  const parse = ({ id, text }: ExchangeText) => decodeExchange(id, text);
  return {
    async list(filter, page) {
      const texts = (await channel.call('exchanges', 'list', [filter, page])) as Page<ExchangeText>;
      return { ...texts, data: texts.data.map(parse) };
    },
    async get(id) {
      const found = (await channel.call('exchanges', 'get', [id])) as ExchangeText | undefined;
      return found && parse(found);
    },
    prune: (limits) => channel.call('exchanges', 'prune', [limits], FLUSH_TIMEOUT_MS) as Promise<number>,
  };
}
