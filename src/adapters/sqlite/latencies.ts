import type { DatabaseSync } from 'node:sqlite';

// How long exchanges took, as histograms that can be added up: buckets whose bounds grow by a fixed factor, so that a
// percentile is off by a fixed share of itself (as DDSketch, Masson, Rim and Lee, VLDB 2019, without its collapsing). A
// histogram is bytes: per bucket that is not empty the distance to the one before and the count, both as varints.

/** The most by which a percentile is off, as a share of itself; whole milliseconds are rounded to besides. */
const LATENCY_ERROR = 0.02;

const GROWTH = (1 + LATENCY_ERROR) / (1 - LATENCY_ERROR);
const LOG_GROWTH = Math.log(GROWTH);
/** Bucket 0 is less than a millisecond; the last one holds all beyond 50 days. */
const BUCKETS = 560;

/** A histogram without anything in it. */
export const NO_LATENCIES: Uint8Array = new Uint8Array(0);

/** Counts by bucket, to be added to. */
export class Latencies {
  readonly #counts = new Map<number, number>();

  /** One exchange, milliseconds. */
  count(ms: number): void {
    const bucket = bucketOf(ms);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
  }

  /** All of another. */
  include(other: Latencies): void {
    for (const [bucket, count] of other.#counts)
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + count);
  }

  /** Another histogram, `sign` -1 to take it away. */
  add(histogram: Uint8Array, sign: 1 | -1 = 1): void {
    let at = 0;
    let bucket = 0;
    const read = () => {
      let value = 0;
      let scale = 1;
      for (;;) {
        const byte = histogram[at] ?? 0;
        at += 1;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
        scale *= 128;
      }
    };
    while (at < histogram.length) {
      bucket += read();
      this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + sign * read());
    }
  }

  bytes(): Uint8Array {
    const bytes: number[] = [];
    let before = 0;
    for (const [bucket, count] of this.#sorted()) {
      write(bytes, bucket - before);
      write(bytes, count);
      before = bucket;
    }
    return Uint8Array.from(bytes);
  }

  /** The nearest-rank percentiles for shares from 0 to 1, whole milliseconds; undefined when there is nothing. */
  percentiles(shares: readonly number[]): number[] | undefined {
    const sorted = this.#sorted();
    const all = sorted.reduce((sum, [, count]) => sum + count, 0);
    if (all === 0) return undefined;
    return shares.map((share) => {
      let left = Math.max(1, Math.ceil(share * all));
      const found = sorted.find(([, count]) => {
        left -= count;
        return left <= 0;
      });
      return Math.round(middleOf(found?.[0] ?? 0));
    });
  }

  #sorted(): [number, number][] {
    return [...this.#counts].filter(([, count]) => count > 0).sort(([left], [right]) => left - right);
  }
}

function bucketOf(ms: number): number {
  // Also what is no number.
  if (!(ms >= 1)) return 0;
  // The tolerance keeps a bound in its own bucket whatever the logarithm rounds to.
  return Math.min(BUCKETS, 1 + Math.ceil(Math.log(ms) / LOG_GROWTH - 1e-9));
}

/** The value that is off by the same share at both ends of the bucket. */
function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : (2 * GROWTH ** (bucket - 1)) / (GROWTH + 1);
}

function write(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
}

/** Gives a connection `latencies_add(a, b)` and the aggregate `latencies_sum(a)`. */
export function defineLatencies(raw: DatabaseSync): void {
  raw.function('latencies_add', { deterministic: true }, (left, right) => {
    if (!(left instanceof Uint8Array) || left.length === 0) return right;
    if (!(right instanceof Uint8Array) || right.length === 0) return left;
    const both = new Latencies();
    both.add(left);
    both.add(right);
    return both.bytes();
  });
  // What is handed from step to step never enters the database, though its type says so.
  raw.aggregate('latencies_sum', {
    start: () => new Latencies() as never,
    step: (sum, histogram) => {
      if (histogram instanceof Uint8Array) (sum as unknown as Latencies).add(histogram);
      return sum;
    },
    result: (sum) => (sum as unknown as Latencies).bytes(),
  });
}
