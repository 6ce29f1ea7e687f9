/** Buckets a window is cut into: what is counted leaves it at most a tenth of its length late. */
const BUCKETS = 10;

/** Two counts over the last `lengthMs`, in ten buckets. Pure; the caller passes the time of one monotonic clock. */
export class RollingPair {
  readonly #bucketMs: number;
  readonly #first = new Float64Array(BUCKETS);
  readonly #second = new Float64Array(BUCKETS);
  #bucket = Number.NEGATIVE_INFINITY;
  #firstSum = 0;
  #secondSum = 0;

  constructor(lengthMs: number) {
    this.#bucketMs = Math.max(1, lengthMs / BUCKETS);
  }

  /** Adds to either count now. Time that runs backwards counts as the latest time seen. */
  add(first: number, second: number, now: number): void {
    this.#advance(now);
    const slot = this.#bucket % BUCKETS;
    this.#first[slot] = (this.#first[slot] ?? 0) + first;
    this.#second[slot] = (this.#second[slot] ?? 0) + second;
    this.#firstSum += first;
    this.#secondSum += second;
  }

  /** Sum of the first count. */
  first(now: number): number {
    this.#advance(now);
    return this.#firstSum;
  }

  /** Sum of the second count. */
  second(now: number): number {
    this.#advance(now);
    return this.#secondSum;
  }

  /** Forgets everything counted. */
  clear(): void {
    this.#first.fill(0);
    this.#second.fill(0);
    this.#firstSum = 0;
    this.#secondSum = 0;
  }

  #advance(now: number): void {
    const bucket = Math.max(0, Math.floor(now / this.#bucketMs));
    if (bucket <= this.#bucket) return;
    if (bucket - this.#bucket >= BUCKETS) {
      this.clear();
    } else {
      for (let at = this.#bucket + 1; at <= bucket; at++) {
        const slot = at % BUCKETS;
        this.#firstSum -= this.#first[slot] ?? 0;
        this.#secondSum -= this.#second[slot] ?? 0;
        this.#first[slot] = 0;
        this.#second[slot] = 0;
      }
    }
    this.#bucket = bucket;
  }
}
