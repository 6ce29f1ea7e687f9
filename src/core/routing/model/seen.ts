import { hashStep } from './hash.ts';
import type { Tokens } from './tokens.ts';

/** Bits per prompt and probes: about 1 % of unseen prompts are taken for seen ones (Bloom 1970). */
const BITS_EACH = 10;
const PROBES = 5;

/** The prompt's tokens as one number, so that case and spaces make no difference. */
export function fingerprint(tokens: Tokens): number {
  let hash = 0x9e_37_79_b9 | 0;
  for (let at = 0; at < tokens.count; at++) hash = hashStep(hash, tokens.hash[at] as number);
  return hash;
}

/** Double hashing (Kirsch & Mitzenmacher 2006). */
function placesOf(hash: number, bits: number): number[] {
  const stride = Math.imul(hash ^ (hash >>> 15), 0x2c_1b_3c_6d) | 1;
  return Array.from({ length: PROBES }, (_, index) => ((hash + Math.imul(stride, index)) >>> 0) % bits);
}

/** A Bloom filter of the prompts the shipped prior was trained on. */
export function rememberSeen(hashes: readonly number[]): Uint8Array {
  const filter = new Uint8Array(Math.max(8, Math.ceil((hashes.length * BITS_EACH) / 8)));
  for (const hash of hashes) {
    for (const bit of placesOf(hash, filter.length * 8))
      filter[bit >>> 3] = (filter[bit >>> 3] as number) | (1 << (bit & 7));
  }
  return filter;
}

/** Whether the prior has (most probably) been trained on this prompt: what it says of it then proves nothing. */
export function isSeen(filter: Uint8Array, hash: number): boolean {
  return placesOf(hash, filter.length * 8).every(
    (bit) => ((filter[bit >>> 3] as number) & (1 << (bit & 7))) !== 0,
  );
}
