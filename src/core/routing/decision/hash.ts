import { HASH_SEED, hashStep, spread } from '../model/hash.ts';

/** Of a long text only both ends and the length count: a decision may not cost as much as reading the prompt. UTF-16 units. */
const SAMPLE_CHARS = 2048;

/** A fingerprint that is fed piece by piece: two lanes of FNV-1a, 64 bits together. Not for secrets. */
export class Fingerprint {
  #a = 0x811c9dc5;
  #b = 0x01000193;

  add(text: string): this {
    this.#mix(text.length);
    const short = text.length <= 2 * SAMPLE_CHARS;
    this.#chars(text, 0, short ? text.length : SAMPLE_CHARS);
    if (!short) this.#chars(text, text.length - SAMPLE_CHARS, text.length);
    return this;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    const lane = (value: number) => (value >>> 0).toString(16).padStart(8, '0');
    return lane(this.#a) + lane(this.#b);
  }

  #chars(text: string, from: number, to: number): void {
    for (let at = from; at < to; at++) this.#mix(text.charCodeAt(at));
  }

  #mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul(this.#b ^ (value + 0x9e37), 0x85ebca6b);
  }
}

/** Fingerprint of one text. */
export function hashText(text: string): string {
  return new Fingerprint().add(text).toString();
}

/**
 * A number in [0, 1) that is the same for the same text, evenly spread: FNV-1a through the murmur3 finaliser, whose
 * avalanche makes neighbouring names independent.
 */
export function drawOf(text: string): number {
  let hash = HASH_SEED;
  for (let at = 0; at < text.length; at++) hash = hashStep(hash, text.charCodeAt(at));
  return spread(hash) / 0x1_0000_0000;
}
