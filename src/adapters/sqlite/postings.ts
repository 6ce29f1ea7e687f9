import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { PER_BUCKET } from './places.ts';

// What the log is searched by. An index entry per row and filter was half of what a row cost, because entries of many
// keys and models lie on as many pages. Instead, the exchanges of a batch that share a facet and ten seconds of start
// share one row. When little happens that is a row per exchange, like an index; under load it is next to nothing.

/** The facets of the log; a name and value that come to the same text are told apart when the rows are read. */
export const facetOf = {
  key: (id: string) => `k:${id}`,
  model: (name: string) => `m:${name}`,
  provider: (name: string) => `p:${name}`,
  status: (status: number) => `s:${status}`,
  request: (id: string) => `r:${id}`,
  tag: (name: string, value: string) => `t:${name}\t${value}`,
  tagName: (name: string) => `n:${name}`,
};

/** Gathers the places of a batch by facet and writes them together. */
export class PostingWriter {
  readonly #insert: StatementSync;
  readonly #open = new Map<string, Map<number, number[]>>();

  constructor(raw: DatabaseSync) {
    this.#insert = raw.prepare(
      'INSERT OR REPLACE INTO postings (facet, last, places) VALUES (?, CAST(? AS INTEGER), ?)',
    );
  }

  /** `places` lie in one bucket. */
  add(facet: string, places: readonly number[]): void {
    const bucket = Math.floor((places[0] ?? 0) / PER_BUCKET);
    let buckets = this.#open.get(facet);
    if (buckets === undefined) {
      buckets = new Map();
      this.#open.set(facet, buckets);
    }
    const known = buckets.get(bucket);
    if (known === undefined) {
      buckets.set(bucket, [...places]);
    } else {
      known.push(...places);
    }
  }

  /** Writes what was gathered, within the caller's transaction. */
  write(): void {
    for (const [facet, buckets] of this.#open) {
      for (const [bucket, places] of buckets) {
        const offsets = Uint32Array.from(places, (place) => place - bucket * PER_BUCKET).sort();
        const last = bucket * PER_BUCKET + (offsets.at(-1) ?? 0);
        this.#insert.run(facet, last, offsets.length === 1 ? null : new Uint8Array(offsets.buffer));
      }
    }
    this.forget();
  }

  /** Drops what was gathered: the batch failed. */
  forget(): void {
    this.#open.clear();
  }
}

/** Finds and deletes postings. */
export class PostingReader {
  readonly #newest: StatementSync;
  readonly #bucket: StatementSync;
  readonly #prune: StatementSync;

  constructor(raw: DatabaseSync) {
    this.#newest = raw.prepare(
      'SELECT last FROM postings WHERE facet = ? AND last < CAST(? AS INTEGER) ORDER BY last DESC LIMIT 1',
    );
    this.#bucket = raw.prepare(
      'SELECT last, places FROM postings WHERE facet = ? AND last >= CAST(? AS INTEGER) AND last < CAST(? AS INTEGER)',
    );
    this.#prune = raw.prepare('DELETE FROM postings WHERE facet = ? AND last <= CAST(? AS INTEGER)');
  }

  /** Places in `[from, below)` that carry all of the facets (at least one), highest first, in portions. */
  *find(facets: readonly string[], from: number, below: number): Generator<readonly number[]> {
    // The end of the bucket, not `below`: a posting may begin before it and end behind.
    let upper = Math.ceil(below / PER_BUCKET) * PER_BUCKET;
    for (;;) {
      const newest = facets.map((facet) => this.#newestBefore(facet, upper));
      const buckets = newest.map((last) => Math.floor(last / PER_BUCKET));
      const lowest = Math.min(...buckets);
      if (Math.min(...newest) < from) {
        return;
      }
      if (buckets.every((bucket) => bucket === lowest)) {
        yield this.#common(facets, lowest).filter((place) => place >= from && place < below);
        upper = lowest * PER_BUCKET;
      } else {
        upper = (lowest + 1) * PER_BUCKET;
      }
    }
  }

  /** Deletes the postings of a facet that end at or before a place. */
  prune(facet: string, through: number): void {
    this.#prune.run(facet, through);
  }

  #newestBefore(facet: string, below: number): number {
    return Number(this.#newest.get(facet, below)?.['last'] ?? -1);
  }

  #common(facets: readonly string[], bucket: number): number[] {
    let common: Set<number> | undefined;
    for (const facet of facets) {
      const places = this.#places(facet, bucket);
      common = common === undefined ? places : common.intersection(places);
    }
    return [...(common ?? [])].sort((left, right) => right - left);
  }

  #places(facet: string, bucket: number): Set<number> {
    const first = bucket * PER_BUCKET;
    const found = new Set<number>();
    for (const { last, places } of this.#bucket.all(facet, first, first + PER_BUCKET)) {
      if (places instanceof Uint8Array) {
        for (const offset of new Uint32Array(places.slice().buffer)) {
          found.add(first + offset);
        }
      } else {
        found.add(Number(last));
      }
    }
    return found;
  }
}
