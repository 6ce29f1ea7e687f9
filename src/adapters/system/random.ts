import { randomBytes, randomFillSync } from 'node:crypto';
import type { Random } from '../../ports/random.ts';

/** Crockford's base 32: sortable, no letters that look like digits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const POOL_BYTES = 4096;
const RANDOM_CHARS = 16;

/** Ids are 48 bits of milliseconds and 80 random bits, as in the ULID specification, in lower case. */
export function createSystemRandom(now: () => number): Random {
  const pool = Buffer.alloc(POOL_BYTES);
  let used = POOL_BYTES;

  function byte(): number {
    if (used === POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    return pool[used++] ?? 0;
  }

  function time(): string {
    let ms = now();
    let text = '';
    for (let digit = 0; digit < 10; digit++) {
      text = (ALPHABET[ms % 32] ?? '') + text;
      ms = Math.floor(ms / 32);
    }
    return text;
  }

  return {
    uniform: () => Math.random(),
    bytes: (count) => randomBytes(count),
    id(prefix) {
      let text = prefix + time();
      for (let index = 0; index < RANDOM_CHARS; index++) text += ALPHABET[byte() & 31] ?? '';
      return text;
    },
  };
}
