import type { CountShare, CountUse } from './shared-count.ts';

/** One limit at one moment, for `x-ratelimit-*`. */
export interface LimitState {
  readonly limit: number;
  readonly remaining: number;
  /** Until the whole limit is free again, milliseconds. */
  readonly resetMs: number;
}

/** What is counted over which time. */
export interface Span {
  readonly kind: 'requests' | 'tokens';
  readonly windowMs: number;
  /** Parts the window is counted in; spend leaves it by at most one part too late. */
  readonly buckets: number;
}

function slotOf(bucket: number, size: number): number {
  return ((bucket % size) + size) % size;
}

/** A count over the last minute, hour or day in parts; rounds against the caller by at most one part. */
export class SlidingCount implements CountUse {
  /** How other processes know of it; absent while there are none. */
  share: CountShare | undefined;
  readonly #bucketMs: number;
  /** The window's parts and the one being filled: together they cover every event of the window. */
  readonly #ring: number[];
  /** The same of all other processes, as far as it is known. */
  #others: number[] | undefined;
  #bucket: number;
  #sum = 0;
  #othersSum = 0;

  constructor({ windowMs, buckets }: Span, now: number) {
    this.#bucketMs = windowMs / buckets;
    this.#ring = new Array<number>(buckets + 1).fill(0);
    this.#bucket = Math.floor(now / this.#bucketMs);
  }

  /** Drops what is older than the window. Time that runs backwards changes nothing. */
  advance(now: number): void {
    const size = this.#ring.length;
    const bucket = Math.floor(now / this.#bucketMs);
    const steps = Math.min(bucket - this.#bucket, size);
    for (let step = 1; step <= steps; step += 1) {
      const slot = slotOf(this.#bucket + step, size);
      this.#sum -= this.#ring[slot] ?? 0;
      this.#ring[slot] = 0;
      if (this.#others === undefined) continue;
      this.#othersSum -= this.#others[slot] ?? 0;
      this.#others[slot] = 0;
    }
    this.#bucket = Math.max(this.#bucket, bucket);
  }

  /** What this process and, as far as it is known, all others count. */
  sum(): number {
    return this.#sum + this.#othersSum;
  }

  /** When what is counted now stops counting. */
  get until(): number {
    return this.#untilOf(this.#bucket);
  }

  /** Counts now; returns the bucket for `correct`. */
  add(amount: number): number {
    const slot = slotOf(this.#bucket, this.#ring.length);
    this.#ring[slot] = (this.#ring[slot] ?? 0) + amount;
    this.#sum += amount;
    this.share?.touch(this.until);
    return this.#bucket;
  }

  /** Counts at a time that may lie in the past. Before time 0 of the clock buckets are negative. */
  addAt(at: number, amount: number): void {
    this.#addTo(Math.floor(at / this.#bucketMs), amount);
  }

  /** Counts what another process counted until then. */
  addUntil(until: number, amount: number): void {
    this.#addTo(Math.min(this.#bucketOf(until), this.#bucket), amount);
  }

  #addTo(bucket: number, amount: number): void {
    const size = this.#ring.length;
    if (this.#bucket - bucket >= size) return;
    const slot = slotOf(bucket, size);
    this.#ring[slot] = (this.#ring[slot] ?? 0) + amount;
    this.#sum += amount;
    this.share?.touch(this.#untilOf(bucket));
  }

  /** Replaces an estimate: less than estimated is given back where it was counted, more is counted now. */
  correct(bucket: number, difference: number): void {
    if (difference >= 0) {
      this.add(difference);
    } else if (this.#bucket - bucket < this.#ring.length) {
      const slot = slotOf(bucket, this.#ring.length);
      const counted = this.#ring[slot] ?? 0;
      const given = Math.min(counted, -difference);
      this.#ring[slot] = counted - given;
      this.#sum -= given;
      this.share?.touch(this.#untilOf(bucket));
    }
  }

  /** Replaces what is known of other processes. */
  putOthers(rows: readonly { readonly until: number; readonly amount: number }[]): void {
    const size = this.#ring.length;
    this.#others = new Array<number>(size).fill(0);
    this.#othersSum = 0;
    for (const { until, amount } of rows) {
      // Another process may be in the next part already.
      const bucket = Math.min(this.#bucketOf(until), this.#bucket);
      if (this.#bucket - bucket >= size) continue;
      const slot = slotOf(bucket, size);
      this.#others[slot] = (this.#others[slot] ?? 0) + amount;
      this.#othersSum += amount;
    }
  }

  /** This process alone counts from now on. */
  forgetOthers(): void {
    this.#others = undefined;
    this.#othersSum = 0;
    this.share = undefined;
  }

  usedUntil(until: number): number {
    const bucket = this.#bucketOf(until);
    const age = this.#bucket - bucket;
    return age < 0 || age >= this.#ring.length ? 0 : (this.#ring[slotOf(bucket, this.#ring.length)] ?? 0);
  }

  *ends(): Iterable<number> {
    const size = this.#ring.length;
    for (let age = 0; age < size; age++) {
      const bucket = this.#bucket - age;
      if ((this.#ring[slotOf(bucket, size)] ?? 0) > 0) yield this.#untilOf(bucket);
    }
  }

  /** Milliseconds until `amount` fits under `limit`. */
  waitFor(amount: number, limit: number, now: number): number {
    const size = this.#ring.length;
    let rest = this.sum();
    for (let age = size - 1; age >= 0; age -= 1) {
      const bucket = this.#bucket - age;
      rest -= this.#at(slotOf(bucket, size));
      if (rest + amount <= limit) {
        return Math.max(1, this.#untilOf(bucket) - now);
      }
    }
    return (size - 1) * this.#bucketMs;
  }

  state(limit: number, now: number): LimitState {
    const sum = this.sum();
    // Nearly always something was counted just now: it is the last to leave.
    const fresh = this.#at(slotOf(this.#bucket, this.#ring.length)) > 0;
    const resetMs = fresh ? Math.max(1, this.until - now) : this.waitFor(limit, limit, now);
    return { limit, remaining: Math.max(0, limit - sum), resetMs: sum === 0 ? 0 : resetMs };
  }

  #at(slot: number): number {
    const own = this.#ring[slot] ?? 0;
    return this.#others === undefined ? own : own + (this.#others[slot] ?? 0);
  }

  #untilOf(bucket: number): number {
    return (bucket + this.#ring.length) * this.#bucketMs;
  }

  #bucketOf(until: number): number {
    return Math.round(until / this.#bucketMs) - this.#ring.length;
  }
}
