import type { DatabaseSync } from 'node:sqlite';
import { crashedExchange } from '../../core/cost/crash.ts';
import { decodeHead, decodeHold, encodeExchange } from '../journal/exchange-text.ts';
import {
  deleteSegment,
  type JournalPosition,
  listSegments,
  scanSegment,
  segmentPath,
} from '../journal/segment.ts';
import { ExchangeWriter, type SettledExchange } from './exchange-writer.ts';

/** Rows per transaction. */
const BATCH_ROWS = 4000;

/** What a run found. */
export interface IngestReport {
  readonly rows: number;
  /** Lines that were torn or altered and could not be read. */
  readonly damaged: number;
  /** Holds of a dead process, charged in full. */
  readonly crashed: number;
}

/** Whose journal is read. */
export interface IngestSource {
  readonly directory: string;
  /** Where the running process began; what is open in earlier segments will never be settled. */
  readonly firstSegment: number;
  /** The process's number among those that share the database. */
  readonly slot: number;
}

/**
 * Moves settled exchanges from the journal into the database. The place reached is stored in the same transaction as
 * the rows, so each is ingested exactly once however often the process dies; recovery is the same code run from that
 * place. Owns the memory of which holds are open.
 */
export class Ingestor {
  readonly #raw: DatabaseSync;
  readonly #directory: string;
  readonly #firstSegment: number;
  readonly #slot: number;
  readonly #writer: ExchangeWriter;
  readonly #saveState;
  readonly #addBytes;
  readonly #openHolds = new Map<string, { readonly segment: number; readonly text: string }>();
  #position: JournalPosition;
  #recoveredThrough: number;
  #rows: SettledExchange[] = [];
  #damaged = 0;

  constructor(raw: DatabaseSync, { directory, firstSegment, slot }: IngestSource) {
    this.#raw = raw;
    this.#directory = directory;
    this.#firstSegment = firstSegment;
    this.#slot = slot;
    this.#writer = new ExchangeWriter(raw, slot);
    const state = raw
      .prepare('SELECT segment, position, recovered_through FROM journal_slots WHERE slot = ?')
      .get(slot);
    this.#position = { segment: Number(state?.['segment'] ?? 0), offset: Number(state?.['position'] ?? 0) };
    if (this.#position.segment > (listSegments(directory).at(-1) ?? 0)) {
      // Somebody emptied the directory and the clock went back: numbers began anew, so begin anew too.
      this.#position = { segment: 0, offset: 0 };
    }
    this.#recoveredThrough = Math.min(Number(state?.['recovered_through'] ?? 0), firstSegment - 1);
    this.#saveState = raw.prepare(
      'INSERT OR REPLACE INTO journal_slots (slot, segment, position, recovered_through) VALUES (?, ?, ?, ?)',
    );
    this.#addBytes = raw.prepare('UPDATE ingest_state SET raw_bytes = raw_bytes + ?');
  }

  /**
   * To be called once before `run`: ingests what earlier processes left, charges their open holds, deletes their
   * segments, and catches up with this process's own when only the worker was restarted.
   */
  recover(): IngestReport {
    const before = listSegments(this.#directory);
    for (const segment of before) {
      // The holds of what is ingested already; the segment with the stored place is read in two parts.
      if (segment <= this.#position.segment && segment > this.#recoveredThrough) {
        this.#rememberHolds(segment);
      }
    }
    let rows = 0;
    for (const segment of before) {
      if (segment < this.#firstSegment) {
        rows += this.#ingestSegment(segment, undefined);
      }
    }
    const crashed = this.#chargeLeftHolds();
    this.#deleteDone();
    return { rows, crashed, damaged: this.#takeDamaged() };
  }

  /** Ingests at most one batch towards `target`; `done` when it is reached. */
  run(target: JournalPosition): { readonly report: IngestReport; readonly done: boolean } {
    let rows = 0;
    for (const segment of listSegments(this.#directory)) {
      if (segment < this.#position.segment || segment > target.segment) {
        continue;
      }
      const to = segment === target.segment ? target.offset : undefined;
      rows += this.#ingestSegment(segment, to, BATCH_ROWS);
      if (rows >= BATCH_ROWS) {
        break;
      }
    }
    // Nothing read although the target is ahead: the file is shorter than it was said to be. Do not ask for ever.
    const done = rows < BATCH_ROWS || !isBefore(this.#position, target);
    if (done) {
      this.#deleteDone();
    }
    return { report: { rows, crashed: 0, damaged: this.#takeDamaged() }, done };
  }

  /** Charges holds of this process that began before `before` (ms) and were never settled: a bug would leave them. */
  expireHolds(before: number): number {
    const lost = [...this.#openHolds.keys()].filter((id) => this.#openHold(id).startedAt < before);
    this.#charge(lost, this.#position);
    return lost.length;
  }

  /** Holds not yet settled. */
  get openHolds(): number {
    return this.#openHolds.size;
  }

  /** Reads from the current place (or the beginning of a later segment) in batches, up to `most` rows. */
  #ingestSegment(segment: number, to: number | undefined, most = Number.POSITIVE_INFINITY): number {
    if (segment < this.#position.segment) {
      return 0;
    }
    const from = segment === this.#position.segment ? this.#position.offset : 0;
    let end = from;
    let rows = 0;
    for (const scanned of scanSegment(segmentPath(this.#directory, segment), from, to)) {
      end = scanned.end;
      if (scanned.line === undefined) {
        this.#damaged += 1;
      } else if (scanned.line.kind === 'hold') {
        this.#openHolds.set(scanned.line.id, { segment, text: scanned.line.text });
      } else {
        this.#take(scanned.line.id, scanned.line.text);
        rows += 1;
        if (this.#rows.length >= BATCH_ROWS) {
          this.#commit({ segment, offset: end });
        }
        if (rows >= most) {
          break;
        }
      }
    }
    if (this.#rows.length > 0) {
      this.#commit({ segment, offset: end });
    } else if (end > from || segment > this.#position.segment) {
      // Only holds: nothing to store. After a crash they are read again.
      this.#position = { segment, offset: end };
    }
    return rows;
  }

  #take(id: string, text: string): void {
    this.#openHolds.delete(id);
    try {
      this.#rows.push({ id, text, head: decodeHead(text) });
    } catch {
      this.#damaged += 1;
    }
  }

  /** Rows, rollups and the place, or none of them; on failure the next run begins at the last place again. */
  #commit(position: JournalPosition): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#raw.exec('BEGIN IMMEDIATE');
    try {
      const bytes = this.#writer.insert(rows);
      this.#saveState.run(this.#slot, position.segment, position.offset, this.#recoveredThrough);
      this.#addBytes.run(bytes);
      this.#raw.exec('COMMIT');
    } catch (error) {
      this.#writer.forget();
      if (this.#raw.isTransaction) {
        this.#raw.exec('ROLLBACK');
      }
      throw error;
    }
    this.#position = position;
  }

  #rememberHolds(segment: number): void {
    const to = segment === this.#position.segment ? this.#position.offset : undefined;
    for (const { line } of scanSegment(segmentPath(this.#directory, segment), 0, to)) {
      if (line?.kind === 'hold') {
        this.#openHolds.set(line.id, { segment, text: line.text });
      } else if (line !== undefined) {
        this.#openHolds.delete(line.id);
      }
    }
  }

  #chargeLeftHolds(): number {
    const through = this.#firstSegment - 1;
    const left = [...this.#openHolds].filter(([, hold]) => hold.segment <= through).map(([id]) => id);
    if (left.length > 0 || this.#recoveredThrough < through) {
      this.#recoveredThrough = through;
      const ahead = this.#position.segment > through;
      this.#charge(left, ahead ? this.#position : { segment: this.#firstSegment, offset: 0 });
    }
    return left.length;
  }

  #charge(ids: readonly string[], position: JournalPosition): void {
    for (const id of ids) {
      const text = encodeExchange(crashedExchange(this.#openHold(id)));
      this.#rows.push({ id, text, head: decodeHead(text) });
    }
    this.#commit(position);
    for (const id of ids) {
      this.#openHolds.delete(id);
    }
  }

  #openHold(id: string) {
    return decodeHold(id, this.#openHolds.get(id)?.text ?? '[]');
  }

  /** Segments that are ingested and have no open hold are not needed any more; the newest stays. */
  #deleteDone(): void {
    const done = listSegments(this.#directory).filter((segment) => segment < this.#position.segment);
    if (done.length === 0) {
      return;
    }
    const needed = new Set([...this.#openHolds.values()].map((hold) => hold.segment));
    for (const segment of done) {
      if (!needed.has(segment)) {
        deleteSegment(this.#directory, segment);
      }
    }
  }

  #takeDamaged(): number {
    const damaged = this.#damaged;
    this.#damaged = 0;
    return damaged;
  }
}

function isBefore(left: JournalPosition, right: JournalPosition): boolean {
  return left.segment < right.segment || (left.segment === right.segment && left.offset < right.offset);
}
