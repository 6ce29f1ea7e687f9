import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { PER_BUCKET } from './places.ts';

// What the log is searched by. An index entry per row and filter was half of what a row cost, because entries of many
// keys and models lie on as many pages. Instead, the exchanges of a batch that share a facet and ten seconds of start
// share one row. When little happens that is a row per exchange, like an index; under load it is next to nothing.

/** The facets of the log; a name and value that come to the same text are told apart when the rows are read. */
export const facetOf = {
  key: (id: string) => `k:${id}`,
  organization: (id: string) => `o:${id}`,
  team: (id: string) => `g:${id}`,
  owner: (id: string) => `w:${id}`,
  model: (name: string) => `m:${name}`,
  provider: (name: string) => `p:${name}`,
  status: (status: number) => `s:${status}`,
  request: (id: string) => `r:${id}`,
  tag: (name: string, value: string) => `t:${name}\t${value}`,
  tagName: (name: string) => `n:${name}`,
  /** A status together with another facet: no list of all that a key did is walked for what failed. */
  statusAnd: (status: number, facet: string) => `x:${status} ${facet}`,
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

interface Posting {
  readonly last: number;
  readonly places: Uint8Array | null;
}

/** Finds and deletes postings. */
export class PostingReader {
  readonly #page: StatementSync;
  readonly #prune: StatementSync;

  constructor(raw: DatabaseSync) {
    this.#page = raw.prepare(
      'SELECT last, places FROM postings WHERE facet = ? AND last < CAST(? AS INTEGER) ORDER BY last DESC LIMIT ?',
    );
    this.#prune = raw.prepare('DELETE FROM postings WHERE facet = ? AND last <= CAST(? AS INTEGER)');
  }

  /** Places in `[from, below)` that carry all of the facets (at least one), highest first, in portions. */
  *find(facets: readonly string[], from: number, below: number): Generator<readonly number[]> {
    const streams = facets.map((facet) => new PostingStream(this.#page, facet));
    // The end of the bucket, not `below`: a posting may begin before it and end behind.
    let end = Math.ceil(below / PER_BUCKET);
    const lowest = Math.floor(from / PER_BUCKET);
    for (;;) {
      // Leapfrog: every stream goes to where the one that is furthest back stands, until all stand in one bucket.
      const start = end;
      for (const stream of streams) {
        end = Math.min(end, stream.seek(end) + 1);
      }
      if (end <= lowest) {
        return;
      }
      if (start === end) {
        yield common(streams, end - 1).filter((place) => place >= from && place < below);
        end -= 1;
      }
    }
  }

  /** Deletes the postings of a facet that end at or before a place. */
  prune(facet: string, through: number): void {
    this.#prune.run(facet, through);
  }
}

const FIRST_PAGE = 32;
const LAST_PAGE = 1024;

/** The postings of one facet, highest first; read in pages that grow, as a seek costs as much as five rows. */
class PostingStream {
  readonly #statement: StatementSync;
  readonly #facet: string;
  #page: Posting[] = [];
  #at = 0;
  #pageSize = FIRST_PAGE;
  #ended = false;

  constructor(statement: StatementSync, facet: string) {
    this.#statement = statement;
    this.#facet = facet;
  }

  /** The highest bucket below `end` that has a posting, or -1. */
  seek(end: number): number {
    const below = end * PER_BUCKET;
    for (;;) {
      for (; this.#at < this.#page.length; this.#at += 1) {
        const last = this.#page[this.#at]?.last ?? 0;
        if (last < below) {
          return Math.floor(last / PER_BUCKET);
        }
      }
      if (this.#ended) {
        return -1;
      }
      this.#read(below);
    }
  }

  /** The places of a bucket that `seek` has found. */
  take(bucket: number): Set<number> {
    const found = new Set<number>();
    const first = bucket * PER_BUCKET;
    while (this.seek(bucket + 1) === bucket) {
      const posting = this.#page[this.#at];
      if (posting?.places instanceof Uint8Array) {
        for (const offset of new Uint32Array(posting.places.slice().buffer)) {
          found.add(first + offset);
        }
      } else if (posting !== undefined) {
        found.add(posting.last);
      }
      this.#at += 1;
    }
    return found;
  }

  #read(below: number): void {
    const behind = Math.min(below, this.#page.at(-1)?.last ?? below);
    this.#page = this.#statement.all(this.#facet, behind, this.#pageSize) as unknown as Posting[];
    this.#at = 0;
    this.#ended = this.#page.length < this.#pageSize;
    this.#pageSize = Math.min(this.#pageSize * 4, LAST_PAGE);
  }
}

function common(streams: readonly PostingStream[], bucket: number): number[] {
  let places: Set<number> | undefined;
  for (const stream of streams) {
    const some = stream.take(bucket);
    places = places === undefined ? some : places.intersection(some);
  }
  return [...(places ?? [])].sort((left, right) => right - left);
}
