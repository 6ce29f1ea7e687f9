import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type ExchangeHead, whoText } from '../journal/exchange-text.ts';
import { BudgetSpendWriter } from './budget-spend.ts';
import { ModelHourWriter } from './model-hours.ts';
import { PER_MS, Places } from './places.ts';
import { PostingWriter } from './postings.ts';
import { RollupWriter } from './rollups.ts';
import { BatchSums, ownFacets } from './sums.ts';

/** A row's bytes besides its text: the id twice, postings and the tree's own, roughly. */
export const ROW_OVERHEAD_BYTES = 120;

/** Rows per INSERT: saves a third of its cost; more saves nothing further. */
const ROWS_PER_INSERT = 20;
/** An exchange as the journal has it: its text is stored as it is, its head is counted and indexed. */
export interface SettledExchange {
  readonly id: string;
  readonly text: string;
  readonly head: ExchangeHead;
}

/** The hot path into the database: rows many at a time, everything else added up per batch before it is written. */
export class ExchangeWriter {
  readonly #raw: DatabaseSync;
  readonly #insertOne: StatementSync;
  readonly #insertMany: StatementSync;
  readonly #byId: StatementSync;
  readonly #lastBetween: StatementSync;
  readonly #places = new Places();
  readonly #postings: PostingWriter;
  readonly #rollups: RollupWriter;
  readonly #spend: BudgetSpendWriter;
  readonly #models: ModelHourWriter;

  /** `slot`: whose exchanges they are. */
  constructor(raw: DatabaseSync, slot = 1) {
    this.#raw = raw;
    this.#insertOne = raw.prepare(insertOf(1));
    this.#insertMany = raw.prepare(insertOf(ROWS_PER_INSERT));
    this.#byId = raw.prepare('SELECT 1 FROM exchanges WHERE id = ?');
    this.#lastBetween = raw.prepare(
      'SELECT max(seq) AS last FROM exchanges WHERE seq >= CAST(? AS INTEGER) AND seq < CAST(? AS INTEGER)',
    );
    this.#postings = new PostingWriter(raw);
    this.#rollups = new RollupWriter(raw);
    this.#spend = new BudgetSpendWriter(raw, slot);
    this.#models = new ModelHourWriter(raw);
  }

  /** Inserts within the caller's transaction; an id that is there already changes nothing. Returns bytes added. */
  insert(rows: readonly SettledExchange[]): number {
    const sums = new BatchSums();
    let bytes = 0;
    const places = this.#placeAll(rows) ?? this.#placeEach(rows);
    let who = '';
    for (let index = 0; index < rows.length; index += 1) {
      const { head, text } = rows[index] as SettledExchange;
      const place = places[index];
      if (place === undefined) continue;
      const whose = whoText(text);
      // Many exchanges in a row are alike there, and a string that was looked up before is hashed already.
      if (whose !== who) who = whose;
      bytes += text.length + ROW_OVERHEAD_BYTES;
      sums.add(head, who, place);
      this.#spend.add(who, head[5]);
      this.#models.add(head, who, text);
      for (const facet of ownFacets(head, who)) {
        this.#postings.add(facet, [place]);
      }
    }
    this.#rollups.add(sums);
    this.#spend.write();
    this.#models.write();
    for (const sum of sums) {
      for (const facet of sum.facets) {
        this.#postings.add(facet, sum.places);
      }
    }
    this.#postings.write();
    return bytes;
  }

  /** To be called when the transaction failed. */
  forget(): void {
    this.#postings.forget();
    this.#rollups.forget();
    this.#spend.forget();
    this.#models.forget();
  }

  /** The usual case, in which every id is new and every place free; undefined, and nothing done, in any other. */
  #placeAll(rows: readonly SettledExchange[]): number[] | undefined {
    const places = rows.map(({ head }) => this.#places.next(head[0]));
    const many = rows.length - (rows.length % ROWS_PER_INSERT);
    this.#raw.exec('SAVEPOINT place_all');
    let added = 0;
    for (let from = 0; from < rows.length; ) {
      const count = from < many ? ROWS_PER_INSERT : 1;
      const values: (string | number)[] = [];
      for (let index = from; index < from + count; index += 1) {
        const row = rows[index];
        values.push(places[index] ?? 0, row?.id ?? '', row?.text ?? '');
      }
      added += Number((count === 1 ? this.#insertOne : this.#insertMany).run(...values).changes);
      from += count;
      if (added < from) {
        this.#raw.exec('ROLLBACK TO place_all; RELEASE place_all');
        return undefined;
      }
    }
    this.#raw.exec('RELEASE place_all');
    return places;
  }

  /** Row by row; undefined for the ones that are there already. */
  #placeEach(rows: readonly SettledExchange[]): (number | undefined)[] {
    return rows.map(({ id, text, head }) => {
      let place = this.#places.next(head[0]);
      while (this.#insertOne.run(place, id, text).changes === 0) {
        if (this.#byId.get(id) !== undefined) {
          return undefined;
        }
        place = this.#freePlace(place);
      }
      return place;
    });
  }

  #freePlace(taken: number): number {
    for (let start = Math.floor(taken / PER_MS) * PER_MS; ; start += PER_MS) {
      const last = this.#lastBetween.get(start, start + PER_MS)?.['last'];
      const next = last === null || last === undefined ? start : Number(last) + 1;
      if (next < start + PER_MS) {
        return next;
      }
    }
  }
}

function insertOf(rows: number): string {
  const values = Array.from({ length: rows }, () => '(CAST(? AS INTEGER), ?, ?)').join(', ');
  return `INSERT INTO exchanges (seq, id, record) VALUES ${values} ON CONFLICT DO NOTHING`;
}
