/** 32-bit FNV-1a over UTF-16 units (Fowler, Noll, Vo). Not for secrets: it only makes answers repeatable. */
export function hashText(text: string, basis = 0x811c9dc5): number {
  let hash = basis;
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

/** 64 bits of {@link hashText} with two bases, as 16 hexadecimal digits. */
export function hashHex(text: string): string {
  const second = hashText(text, hashText(`${text.length}`) ^ 0x9e3779b9);
  return hashText(text).toString(16).padStart(8, '0') + second.toString(16).padStart(8, '0');
}

/** A repeatable source of choices; the same seed gives the same row. */
export interface Dice {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [0, below). */
  below(below: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
  /** Text of `length` letters and digits. */
  word(length: number): string;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Seeded dice (mulberry32, T. Ettinger, public domain algorithm). */
export function createDice(seed: string): Dice {
  let state = hashText(seed);
  function next(): number {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    pick: (items) => items[below(items.length)] ?? items[0],
    word(length) {
      let text = '';
      for (let index = 0; index < length; index++) text += LETTERS[below(LETTERS.length)];
      return text;
    },
  };
}
