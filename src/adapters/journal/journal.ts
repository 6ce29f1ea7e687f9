import type { ExchangeRecord, HoldRecord } from '../../core/cost/exchange.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import { LineBuffer } from './line.ts';
import { lockDirectory, makePrivateDirectory } from './lock.ts';
import { type JournalPosition, listSegments } from './segment.ts';
import { type SegmentFiles, SegmentWriter, systemFiles } from './writer.ts';

/** How the journal is kept. */
export interface JournalOptions {
  /** Made with mode 700 when absent. One process at a time. */
  readonly directory: string;
  /** The process's number among those that share the database. Default 1. */
  readonly slot?: number;
  readonly clock: Clock;
  /** A segment is closed when it has grown to this. Default 16 MiB. */
  readonly segmentBytes?: number;
  /**
   * `kernel` (default): a line is safe against the death of the process once its promise resolves. `disk`: also against
   * the loss of power, at the price of an `fdatasync` per group.
   */
  readonly durability?: 'kernel' | 'disk';
  /** Lines waiting for the disk, at most. Default 64 MiB; above it appends throw `overloaded`. */
  readonly maxPendingBytes?: number;
  /** Settled exchanges kept for another try while the disk refuses. Default 16 MiB. */
  readonly maxBacklogBytes?: number;
  /** How files are reached; for tests of failing disks. */
  readonly files?: SegmentFiles;
}

/** The main thread's half of the ledger: appends, and knows how far it is safe to read. */
export interface Journal {
  readonly directory: string;
  readonly slot: number;
  /** First segment of this process; holds in earlier ones belong to a process that is gone. */
  readonly firstSegment: number;
  /** Resolves when the hold is kept. Throws `ledger_unavailable` when the disk refuses: do not call the upstream. */
  hold(record: HoldRecord): Promise<void>;
  /**
   * Resolves when the exchange is kept. When the disk refuses it throws `ledger_unavailable`, yet the record stays in a
   * bounded backlog and is written as soon as the disk takes it: do not append it again.
   */
  settle(record: ExchangeRecord): Promise<void>;
  /** Everything before this is written. */
  position(): JournalPosition;
  /** Calls back after each write; one listener. */
  onAppend(listener: () => void): void;
  /** Resolves when what was appended so far is written, or refused. */
  drain(): Promise<void>;
  /** Writes what is left and unlocks. Throws `ledger_unavailable` when a backlog had to be given up. Idempotent. */
  close(): Promise<void>;
}

const RETRY_MS = 1000;

/**
 * Opens the journal in a new segment of its own; older ones are left to be ingested.
 * @throws SluiceError `conflict` when another process has it open, `ledger_unavailable` when the disk refuses
 */
export function openJournal(options: JournalOptions): Journal {
  makePrivateDirectory(options.directory);
  const unlock = lockDirectory(options.directory);
  try {
    const last = listSegments(options.directory).at(-1) ?? 0;
    // Named after the time, so that numbers keep growing even if somebody empties the directory.
    const firstSegment = Math.max(last + 1, Math.floor(options.clock.now()));
    const writer = new SegmentWriter(options.files ?? systemFiles, options.directory, {
      first: firstSegment,
      maxBytes: options.segmentBytes ?? 16 * 1024 * 1024,
    });
    return new GroupedJournal(options, writer, unlock);
  } catch (error) {
    unlock();
    throw unavailable(error);
  }
}

/** Appends of one turn of the event loop: they share a buffer, a write and a promise. */
class Group {
  readonly lines: LineBuffer;
  readonly promise: Promise<void>;
  readonly #deferred = Promise.withResolvers<void>();

  constructor(lines: LineBuffer) {
    this.lines = lines;
    this.promise = this.#deferred.promise;
    // A caller may choose not to wait; that must not become an unhandled rejection.
    this.promise.catch(() => undefined);
  }

  end(error?: SluiceError): void {
    if (error === undefined) {
      this.#deferred.resolve();
    } else {
      this.#deferred.reject(error);
    }
  }
}

class GroupedJournal implements Journal {
  readonly directory: string;
  readonly slot: number;
  readonly firstSegment: number;
  readonly #writer: SegmentWriter;
  readonly #unlock: () => void;
  readonly #options: JournalOptions;
  #group = new Group(new LineBuffer());
  /** The buffer of a group that is done with, to be used again. */
  #spare: LineBuffer | undefined;
  #scheduled = false;
  #syncing: Promise<void> | undefined;
  #backlog: Buffer[] = [];
  #backlogBytes = 0;
  #cancelRetry: (() => void) | undefined;
  #listener: (() => void) | undefined;
  #closed = false;

  constructor(options: JournalOptions, writer: SegmentWriter, unlock: () => void) {
    this.directory = options.directory;
    this.slot = options.slot ?? 1;
    this.firstSegment = writer.position().segment;
    this.#options = options;
    this.#writer = writer;
    this.#unlock = unlock;
  }

  hold(record: HoldRecord): Promise<void> {
    return this.#append((lines) => lines.hold(record));
  }

  settle(record: ExchangeRecord): Promise<void> {
    return this.#append((lines) => lines.settle(record));
  }

  position(): JournalPosition {
    return this.#writer.position();
  }

  onAppend(listener: () => void): void {
    this.#listener = listener;
  }

  async drain(): Promise<void> {
    while (this.#group.lines.length > 0 || this.#syncing !== undefined) {
      const group = this.#group;
      this.#flush();
      await (group.lines.length > 0 ? group.promise : this.#syncing)?.catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    await this.drain();
    this.#closed = true;
    this.#cancelRetry?.();
    const failure = this.#write(undefined);
    this.#writer.close();
    this.#unlock();
    if (failure !== undefined && this.#backlog.length > 0) {
      throw failure;
    }
  }

  /** Not async: a request should not pay for more promises than the group's shared one. */
  #append(write: (lines: LineBuffer) => void): Promise<void> {
    if (this.#closed) {
      return Promise.reject(
        new SluiceError('ledger_unavailable', 'The ledger is closed; try again in a moment.'),
      );
    }
    const group = this.#group;
    if (group.lines.length > (this.#options.maxPendingBytes ?? 64 * 1024 * 1024)) {
      const sentence = 'The ledger cannot keep up; try again in a moment.';
      return Promise.reject(new SluiceError('overloaded', sentence, { retryAfterS: 1 }));
    }
    try {
      write(group.lines);
    } catch (error) {
      return Promise.reject(error);
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    }
    return group.promise;
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#syncing !== undefined || this.#group.lines.length === 0) {
      return;
    }
    const group = this.#group;
    this.#group = new Group(this.#spare ?? new LineBuffer());
    this.#spare = undefined;
    // In the order of the calls: a settle stands behind its hold, which was waited for before.
    const failure = this.#write(group.lines.bytes());
    if (failure !== undefined) {
      this.#keep(group.lines.settles());
      this.#end(group, failure);
    } else if (this.#options.durability === 'disk') {
      this.#syncing = this.#sync(group);
    } else {
      this.#end(group);
    }
  }

  async #sync(group: Group): Promise<void> {
    try {
      await this.#writer.sync();
      this.#end(group);
    } catch (error) {
      this.#keep(group.lines.settles());
      this.#end(group, unavailable(error));
    }
    this.#syncing = undefined;
    this.#flush();
  }

  #end(group: Group, failure?: SluiceError): void {
    group.lines.clear();
    this.#spare = group.lines;
    group.end(failure);
  }

  /** Writes the backlog and these lines, all or nothing. */
  #write(lines: Buffer | undefined): SluiceError | undefined {
    const all = lines === undefined ? this.#backlog : [...this.#backlog, lines];
    const [first] = all;
    if (first === undefined) {
      return undefined;
    }
    try {
      this.#writer.append(all.length === 1 ? first : Buffer.concat(all));
    } catch (error) {
      this.#retryLater();
      return unavailable(error);
    }
    this.#backlog = [];
    this.#backlogBytes = 0;
    this.#listener?.();
    return undefined;
  }

  #keep(settles: readonly Buffer[]): void {
    for (const line of settles) {
      if (this.#backlogBytes + line.length > (this.#options.maxBacklogBytes ?? 16 * 1024 * 1024)) {
        // The hold is on disk: without its settle it is charged in full after a restart.
        return;
      }
      this.#backlog.push(line);
      this.#backlogBytes += line.length;
    }
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#cancelRetry === undefined && !this.#closed) {
      this.#cancelRetry = this.#options.clock.after(RETRY_MS, () => {
        this.#cancelRetry = undefined;
        if (this.#syncing === undefined) {
          this.#write(undefined);
        } else {
          this.#retryLater();
        }
      });
    }
  }
}

function unavailable(error: unknown): SluiceError {
  if (error instanceof SluiceError) {
    return error;
  }
  const sentence = 'The ledger cannot be written, so nothing is spent. Check the disk of the data directory.';
  return new SluiceError('ledger_unavailable', sentence, { retryAfterS: 5, cause: error });
}
