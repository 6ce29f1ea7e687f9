import type { ChatResponse } from '../model/index.ts';

interface Entry {
  readonly response: ChatResponse;
  readonly bytes: number;
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** How an answer is kept. Times are milliseconds of one monotonic clock. */
export interface Keeping {
  readonly now: number;
  readonly ttlMs: number;
  /** Of the answer, as JSON. */
  readonly bytes: number;
  /** Of the whole cache. */
  readonly maxBytes: number;
}

/** Bytes an entry costs besides its answer. */
const ENTRY_BYTES = 300;

/** Finished answers by key, bounded in bytes; the least used go first. Pure. */
export class AnswerCache {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The answer, if it is still good and at most `maxAgeMs` old. */
  find(key: string, now: number, maxAgeMs = Number.POSITIVE_INFINITY): ChatResponse | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt <= now) {
      this.#drop(key, entry);
      return undefined;
    }
    if (now - entry.storedAt > maxAgeMs) return undefined;
    // Put last again, so that the map's order is the order of last use.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.response;
  }

  put(key: string, response: ChatResponse, keeping: Keeping): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#drop(key, old);
    const bytes = keeping.bytes + key.length + ENTRY_BYTES;
    if (bytes > keeping.maxBytes) return;
    const { now, ttlMs } = keeping;
    this.#entries.set(key, { response, bytes, storedAt: now, expiresAt: now + ttlMs });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= keeping.maxBytes) break;
      this.#drop(oldest, entry);
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
