import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ExchangeHead } from '../journal/exchange-text.ts';
import { PER_BUCKET, PER_MS, Places } from './places.ts';
import { facetOf, PostingWriter } from './postings.ts';
import { hourOf, RollupWriter, type Sums } from './rollups.ts';

/** A row's bytes besides its text: the id twice, postings and the tree's own, roughly. */
export const ROW_OVERHEAD_BYTES = 120;

/** Names come from clients; a longer one is cut where it is indexed (the record keeps all of it). */
const MAX_NAME_LENGTH = 256;
const MAX_TAGS = 16;
/** Rows per INSERT: saves a third of its cost; more saves nothing further. */
const ROWS_PER_INSERT = 20;
/** An exchange as the journal has it: its text is stored as it is, its head is counted and indexed. */
export interface SettledExchange {
  readonly id: string;
  readonly text: string;
  readonly head: ExchangeHead;
}

/** Exchanges of a batch that are counted in the same rows. */
interface Sum {
  readonly startedAt: number;
  readonly tag: string;
  readonly value: string;
  readonly key: string | null;
  readonly model: string;
  /** False for a name nobody serves: the client's invention, so no row of its own. */
  readonly served: boolean;
  readonly provider: string | null;
  readonly user: string | null;
  readonly sums: Sums;
  readonly places: number[];
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

  constructor(raw: DatabaseSync) {
    this.#raw = raw;
    this.#insertOne = raw.prepare(insertOf(1));
    this.#insertMany = raw.prepare(insertOf(ROWS_PER_INSERT));
    this.#byId = raw.prepare('SELECT 1 FROM exchanges WHERE id = ?');
    this.#lastBetween = raw.prepare(
      'SELECT max(seq) AS last FROM exchanges WHERE seq >= CAST(? AS INTEGER) AND seq < CAST(? AS INTEGER)',
    );
    this.#postings = new PostingWriter(raw);
    this.#rollups = new RollupWriter(raw);
  }

  /** Inserts within the caller's transaction; an id that is there already changes nothing. Returns bytes added. */
  insert(rows: readonly SettledExchange[]): number {
    const sums = new Map<string, Sum>();
    let bytes = 0;
    const places = this.#placeAll(rows) ?? this.#placeEach(rows);
    for (const [index, row] of rows.entries()) {
      const place = places[index];
      if (place !== undefined) {
        bytes += row.text.length + ROW_OVERHEAD_BYTES;
        addUp(sums, row.head, place);
        this.#addRare(row.head, place);
      }
    }
    for (const sum of sums.values()) {
      this.#write(sum);
    }
    this.#postings.write();
    return bytes;
  }

  /** To be called when the transaction failed. */
  forget(): void {
    this.#postings.forget();
    this.#rollups.forget();
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

  /** What few exchanges have, and few share. */
  #addRare(head: ExchangeHead, place: number): void {
    if (head[1] >= 300) {
      this.#postings.add(facetOf.status(head[1]), [place]);
    }
    if (head[4] !== null) {
      this.#postings.add(facetOf.request(cut(head[4])), [place]);
    }
  }

  #write(sum: Sum): void {
    for (const facet of facetsOfSum(sum)) {
      this.#postings.add(facet, sum.places);
    }
    this.#rollups.add(
      {
        hour: hourOf(sum.startedAt),
        tag: sum.tag,
        value: sum.value,
        key: sum.key ?? '',
        model: sum.served ? sum.model : '',
        provider: sum.provider ?? '',
        user: sum.user ?? '',
      },
      sum.sums,
    );
  }
}

/** Every facet an exchange is found by. */
export function facetsOf(head: ExchangeHead): string[] {
  const sums = new Map<string, Sum>();
  addUp(sums, head, 0);
  const facets = [...sums.values()].flatMap(facetsOfSum);
  if (head[1] >= 300) {
    facets.push(facetOf.status(head[1]));
  }
  if (head[4] !== null) {
    facets.push(facetOf.request(cut(head[4])));
  }
  return facets;
}

/** A name as it is indexed. */
export function cut(name: string): string {
  return name.length > MAX_NAME_LENGTH ? name.slice(0, MAX_NAME_LENGTH) : name;
}

function insertOf(rows: number): string {
  const values = Array.from({ length: rows }, () => '(CAST(? AS INTEGER), ?, ?)').join(', ');
  return `INSERT INTO exchanges (seq, id, record) VALUES ${values} ON CONFLICT DO NOTHING`;
}

function facetsOfSum({ tag, value, key, model, provider }: Sum): string[] {
  if (tag !== '') {
    return [facetOf.tag(tag, value), facetOf.tagName(tag)];
  }
  const facets = [facetOf.model(model)];
  if (key !== null) {
    facets.push(facetOf.key(key));
  }
  if (provider !== null) {
    facets.push(facetOf.provider(provider));
  }
  return facets;
}

function addUp(sums: Map<string, Sum>, head: ExchangeHead, place: number): void {
  const served = head[3] !== 'model_not_found';
  const [, , , , , key, model, provider, user] = head;
  // Ten seconds of starts: the places of a sum become postings, which do not reach across them. The lengths keep
  // apart what clients write.
  const bucket = Math.floor(place / PER_BUCKET);
  const lengths = `${key?.length} ${model.length} ${provider?.length} ${user?.length}`;
  const name = `${hourOf(head[0])} ${bucket} ${served} ${lengths}\t${key}${model}${provider}${user}`;
  addOne(sums, name, { head, place, tag: '', value: '' });
  if (head[18] === null) {
    return;
  }
  for (const [tag, value] of indexedTags(head[18])) {
    addOne(sums, `${name}\t${tag.length} ${tag}${value}`, { head, place, tag, value });
  }
}

interface Counted {
  readonly head: ExchangeHead;
  readonly place: number;
  readonly tag: string;
  readonly value: string;
}

function addOne(all: Map<string, Sum>, name: string, { head, place, tag, value }: Counted): void {
  let sum = all.get(name);
  if (sum === undefined) {
    sum = {
      startedAt: head[0],
      tag,
      value,
      key: head[5],
      model: cut(head[6]),
      served: head[3] !== 'model_not_found',
      provider: head[7],
      user: head[8] === null ? null : cut(head[8]),
      sums: [0, 0, 0, 0, 0, 0, 0, 0],
      places: [],
    };
    all.set(name, sum);
  }
  sum.places.push(place);
  const { sums } = sum;
  sums[0] += 1;
  sums[1] += head[2] === 'answered' ? 0 : 1;
  sums[2] += whole(head[9] ?? 0);
  sums[3] += whole(head[10] + head[15]);
  sums[4] += whole(head[11]);
  sums[5] += whole(head[12] + head[13]);
  // As `completionTokens`.
  sums[6] += whole(head[14] + head[16]);
  sums[7] += whole(head[17]);
}

function indexedTags(tags: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(tags)
    .filter(([name]) => name !== '')
    .slice(0, MAX_TAGS)
    .map(([name, value]) => [cut(name), cut(value)]);
}

/** STRICT integer columns refuse fractions, and one odd figure must not stop the journal. */
function whole(count: number): number {
  return Number.isFinite(count) ? Math.min(Math.max(0, Math.round(count)), Number.MAX_SAFE_INTEGER) : 0;
}
