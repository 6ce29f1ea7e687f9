import type { ChatResponse } from '../model/index.ts';

/** Where an answer came from. */
export interface Origin {
  readonly provider: string;
  readonly upstreamModel: string;
}

/** Whose answer is kept, for lists. */
export interface KeptFacts {
  readonly model?: string | undefined;
  readonly organizationId?: string | undefined;
  readonly teamId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly origin?: Origin | undefined;
}

interface Entry {
  readonly response: ChatResponse;
  readonly bytes: number;
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly facts: KeptFacts;
  /** Counts up with every answer kept. */
  readonly number: number;
  hits: number;
}

/** An answer that is kept, without what it says. */
export type KeptAnswer = Readonly<Omit<Entry, 'response'>> & { readonly key: string };

/** How an answer is kept. Times are milliseconds of one monotonic clock. */
export interface Keeping {
  readonly now: number;
  readonly ttlMs: number;
  /** Of the answer, as JSON. */
  readonly bytes: number;
  /** Of the whole cache. */
  readonly maxBytes: number;
  readonly facts?: KeptFacts;
}

const NO_FACTS: KeptFacts = {};

/** Bytes an entry costs besides its answer. */
const ENTRY_BYTES = 300;

/** Finished answers by key, bounded in bytes; the least used go first. Pure. */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #number = 0;
  /** Lookups that found an answer, and those that did not. */
  hits = 0;
  misses = 0;

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The answer, if it is still good and at most `maxAgeMs` old. */
  find(
    key: string,
    now: number,
    maxAgeMs = Number.POSITIVE_INFINITY,
  ): { readonly response: ChatResponse; readonly facts: KeptFacts } | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAt <= now || now - entry.storedAt > maxAgeMs) {
      if (entry !== undefined && entry.expiresAt <= now) this.#drop(key, entry);
      this.misses++;
      return undefined;
    }
    this.hits++;
    entry.hits++;
    // Put last again, so that the map's order is the order of last use.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  put(key: string, response: ChatResponse, keeping: Keeping): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(key, old);
    const bytes = keeping.bytes + key.length + ENTRY_BYTES;
    if (bytes > keeping.maxBytes) return;
    const { now, ttlMs, facts = NO_FACTS } = keeping;
    const number = ++this.#number;
    this.#entries.set(key, {
      response,
      bytes,
      storedAt: now,
      expiresAt: now + ttlMs,
      facts,
      number,
      hits: 0,
    });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= keeping.maxBytes) break;
      this.#drop(oldest, entry);
    }
  }

  /** What is still good, in no order. */
  entries(now: number): readonly KeptAnswer[] {
    return [...this.#entries].flatMap(([key, { response: _, ...entry }]) =>
      entry.expiresAt <= now ? [] : [{ key, ...entry }],
    );
  }

  /** Forgets what matches; answers how many that were. */
  clear(matches: (entry: KeptAnswer) => boolean): number {
    let removed = 0;
    for (const [key, entry] of this.#entries) {
      const { response: _, ...facts } = entry;
      if (!matches({ key, ...facts })) continue;
      this.#drop(key, entry);
      removed++;
    }
    return removed;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
