import type { Random } from '../../src/ports/random.ts';

/** A stream of numbers that a seed decides (sfc32, Chris Doty-Humphrey's PractRand; seeded through splitmix32). */
export class Draw {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    let state = seed | 0;
    const mix = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state ^ (state >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    this.#a = mix();
    this.#b = mix();
    this.#c = mix();
    for (let round = 0; round < 12; round++) this.#next();
  }

  /** A stream of its own, so that drawing more in one place changes nothing in another. */
  fork(): Draw {
    return new Draw(this.#next());
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return (this.#next() >>> 0) / 4_294_967_296;
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.uniform() * (high - low + 1));
  }

  /** A time between `low` and `high` milliseconds, short ones as likely as long ones. */
  spread(low: number, high: number): number {
    return low * (high / low) ** this.uniform();
  }

  chance(share: number): boolean {
    return this.uniform() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.uniform() * from.length)]!;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum;
  }
}

/** The port over a seeded stream. Ids stay unique over restarts, as 80 random bits are. */
export class SeededRandom implements Random {
  readonly #draw: Draw;
  readonly #ids: { last: number };

  constructor(draw: Draw, ids: { last: number }) {
    this.#draw = draw;
    this.#ids = ids;
  }

  uniform(): number {
    return this.#draw.uniform();
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#draw.whole(0, 255));
  }

  id(prefix: string): string {
    this.#ids.last++;
    return prefix + this.#ids.last.toString(32).padStart(26, '0');
  }
}
