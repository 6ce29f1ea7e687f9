/**
 * Bits of a feature slot, for each block. 16 bits lose nothing measurable against 18 on the training data (collisions act as
 * a mild regulariser) and keep all tables inside a core's cache.
 */
const SLOT_BITS = 16;
/** Slots of one block of n-gram features. */
export const SLOTS = 1 << SLOT_BITS;

const FNV_PRIME = 16_777_619;
/** Where a hash begins (FNV-1a, 32 bits). */
export const HASH_SEED = 0x81_1c_9d_c5 | 0;

/** One step of FNV-1a over UTF-16 units. */
export function hashStep(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, FNV_PRIME);
}

/** Hash of a lower-case word, as the tokeniser makes it; never 0. */
export function hashWord(word: string): number {
  let hash = HASH_SEED;
  for (let at = 0; at < word.length; at++) hash = hashStep(hash, word.charCodeAt(at));
  return hash === 0 ? 1 : hash;
}

/** The murmur3 finaliser as an unsigned number of 32 bits: spreads FNV's weak upper bits, so that neighbours are independent. */
export function spread(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2_b2_ae_35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The slot of a feature. */
export function slotOf(hash: number): number {
  return spread(hash) >>> (32 - SLOT_BITS);
}
