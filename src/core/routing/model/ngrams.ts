import type { Marks } from './boilerplate.ts';
import { HASH_SEED, hashStep, SLOTS, slotOf } from './hash.ts';
import { KIND, MAX_UNITS, type Tokens } from './tokens.ts';

const MIN_CHARS = 3;
const MAX_CHARS = 5;
/** Distinct n-grams of one block at most: every position begins three. */
const MAX_GRAMS = (MAX_CHARS - MIN_CHARS + 1) * (MAX_UNITS + 2);
const BIGRAM_SALT = 0x5b_d1_e9_95;
const CHAR_SALT = 0x2c_1b_3c_6d;
const BLANK = 32;
/** Digits are alike: which number it is says nothing, how long it is does. */
const DIGIT = 48;

/** n-gram counts of one block of features: words, or characters. */
export interface Grams {
  /** Slots met, each once. */
  readonly slots: Int32Array;
  count: number;
  /** How often each slot was met; all zero between prompts. */
  readonly counts: Uint16Array;
}

export function createGrams(): Grams {
  return { slots: new Int32Array(MAX_GRAMS), count: 0, counts: new Uint16Array(SLOTS) };
}

function add(grams: Grams, hash: number): void {
  const slot = slotOf(hash);
  const before = grams.counts[slot] as number;
  if (before === 0) {
    if (grams.count >= MAX_GRAMS) return;
    grams.slots[grams.count++] = slot;
  }
  grams.counts[slot] = before + 1;
}

const NUMBER_HASH = hashStep(HASH_SEED, DIGIT);

/** Words, numbers (by length), marks and ideographs, and pairs of neighbours. */
export function countWords(tokens: Tokens, marks: Marks, grams: Grams): void {
  const { hash, kind, count, start, end } = tokens;
  let previous = 0;
  for (let at = 0; at < count; at++) {
    if (marks.kept[at] === 0) {
      previous = 0;
      continue;
    }
    let key = hash[at] as number;
    if (kind[at] === KIND.number) key = hashStep(NUMBER_HASH, (end[at] as number) - (start[at] as number));
    add(grams, key);
    if (previous !== 0) add(grams, Math.imul(previous, BIGRAM_SALT) ^ key);
    previous = key;
  }
}

/** Character 3- to 5-grams of one stretch of the text, a blank at either side. */
function countStretch(
  units: Uint16Array,
  stretch: { readonly from: number; readonly to: number },
  grams: Grams,
): void {
  const { from, to } = stretch;
  const at = (index: number) => {
    if (index < from || index >= to) return BLANK;
    const unit = units[index] as number;
    return unit >= DIGIT && unit <= DIGIT + 9 ? DIGIT : unit;
  };
  let second = BLANK;
  let third = at(from);
  let fourth = at(from + 1);
  let fifth = at(from + 2);
  for (let begin = from - 1; begin < to - 1; begin++) {
    const first = second;
    second = third;
    third = fourth;
    fourth = fifth;
    fifth = at(begin + 4);
    let running = hashStep(hashStep(hashStep(CHAR_SALT, first), second), third);
    add(grams, running);
    if (begin + 3 > to) continue;
    running = hashStep(running, fourth);
    add(grams, running);
    if (begin + 4 > to) continue;
    add(grams, hashStep(running, fifth));
  }
}

/** Character n-grams across words, within each stretch of tokens that are kept. */
export function countChars(tokens: Tokens, marks: Marks, grams: Grams): void {
  const { count, start, end, units } = tokens;
  let at = 0;
  while (at < count) {
    if (marks.kept[at] === 0) {
      at++;
      continue;
    }
    const first = at;
    while (at + 1 < count && marks.kept[at + 1] !== 0) at++;
    countStretch(units, { from: start[first] as number, to: end[at] as number }, grams);
    at++;
  }
}
