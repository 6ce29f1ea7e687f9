import { HASH_SEED, hashStep } from './hash.ts';

/** Characters read of a prompt: the beginning and, of longer ones, the end, where questions usually stand. */
const READ_HEAD = 1900;
const READ_TAIL = 1100;
/** Room for the normalised text and its tokens. */
export const MAX_UNITS = READ_HEAD + READ_TAIL + 2;

/** Kinds of tokens. */
export const KIND = { word: 0, number: 1, mark: 2, ideograph: 3 } as const;

const SPACE = 32;
/** A character repeated more often than this says nothing more. */
const MAX_REPEATS = 4;

/** Capital letters are counted up to this. */
const MOST_CAPITALS = 255;

/** Classes of UTF-16 units. */
const CLASS = { drop: 0, space: 1, letter: 2, digit: 3, mark: 4, ideograph: 5 } as const;

/** Normalised text and its tokens, in buffers that the next prompt overwrites. */
export interface Tokens {
  /** Lower-case text with single spaces. */
  readonly units: Uint16Array;
  unitCount: number;
  readonly start: Uint16Array;
  readonly end: Uint16Array;
  readonly hash: Int32Array;
  readonly kind: Uint8Array;
  /** Capital letters at the beginning of the token as it was written; of a word in small letters 0. */
  readonly capitals: Uint8Array;
  count: number;
  /** Control and replacement characters met: what looks binary has many. */
  strange: number;
  /** Length of the prompt in UTF-16 units, read or not. */
  length: number;
}

/** Lower case of what has two cases and lies below this: Latin, Greek, Cyrillic, Armenian. */
const CASED = 0x590;
let lowerCase: Uint16Array | undefined;

function lowerCases(): Uint16Array {
  if (lowerCase !== undefined) return lowerCase;
  lowerCase = new Uint16Array(CASED);
  for (let unit = 0; unit < CASED; unit++) {
    const lower = String.fromCharCode(unit).toLowerCase();
    lowerCase[unit] = lower.length === 1 ? lower.charCodeAt(0) : unit;
  }
  return lowerCase;
}

function classOfAscii(unit: number): number {
  if (unit >= 97 && unit <= 122) return CLASS.letter;
  if (unit >= 48 && unit <= 57) return CLASS.digit;
  if (unit === SPACE || (unit >= 9 && unit <= 13)) return CLASS.space;
  // An apostrophe joins what it stands in: "don't" is one word.
  if (unit < SPACE || unit === 127 || unit === 39) return CLASS.drop;
  return CLASS.mark;
}

/** Beyond ASCII: Unicode blocks, coarse on purpose (symbols and punctuation by block, the rest letters). */
function classOfOther(unit: number): number {
  if (unit <= 0xbf)
    return unit === 0xa0 ? CLASS.space : unit <= 0x9f || unit === 0xad ? CLASS.drop : CLASS.mark;
  if (unit < 0x2000) return unit === 0xd7 || unit === 0xf7 ? CLASS.mark : CLASS.letter;
  if (unit <= 0x200a || unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x3000)
    return CLASS.space;
  if (unit <= 0x200f || unit === 0x2018 || unit === 0x2019 || (unit >= 0x202a && unit <= 0x202e))
    return CLASS.drop;
  if (unit < 0x2e80) return unit >= 0x2060 && unit <= 0x206f ? CLASS.drop : CLASS.mark;
  if (unit >= 0x3001 && unit <= 0x303f) return CLASS.mark;
  if (unit <= 0x9fff || (unit >= 0xac00 && unit <= 0xd7a3) || (unit >= 0xf900 && unit <= 0xfaff))
    return CLASS.ideograph;
  if (unit >= 0xd800 && unit <= 0xdfff) return CLASS.mark;
  return unit === 0xfeff || unit >= 0xfff0 ? CLASS.drop : CLASS.letter;
}

const ASCII_CLASSES = new Uint8Array(128).map((_, unit) => classOfAscii(unit));

function classOf(unit: number): number {
  return unit < 128 ? (ASCII_CLASSES[unit] as number) : classOfOther(unit);
}

/** Full-width forms as ASCII; lower case. */
function fold(unit: number): number {
  if (unit < 128) return unit >= 65 && unit <= 90 ? unit + 32 : unit;
  if (unit >= 0xff01 && unit <= 0xff5e) return fold(unit - 0xfee0);
  return unit < CASED ? (lowerCases()[unit] as number) : unit;
}

export function createTokens(): Tokens {
  return {
    units: new Uint16Array(MAX_UNITS),
    unitCount: 0,
    start: new Uint16Array(MAX_UNITS),
    end: new Uint16Array(MAX_UNITS),
    hash: new Int32Array(MAX_UNITS),
    kind: new Uint8Array(MAX_UNITS),
    capitals: new Uint8Array(MAX_UNITS),
    count: 0,
    strange: 0,
    length: 0,
  };
}

const KIND_OF_CLASS = new Uint8Array([0, 0, KIND.word, KIND.number, KIND.mark, KIND.ideograph]);

/** Normalises `text` from `from` to `to` to the end of what `tokens` holds, and cuts it into tokens. */
function read(text: string, tokens: Tokens, range: { readonly from: number; readonly to: number }): void {
  const { units, start, end, hash, kind, capitals } = tokens;
  let count = tokens.count;
  let length = tokens.unitCount;
  let open = -1;
  let running = HASH_SEED;
  let previous = 0;
  let repeats = 0;
  for (let at = range.from; at < range.to; at++) {
    const raw = text.charCodeAt(at);
    const unit = fold(raw);
    const group = classOf(unit);
    if (group === CLASS.drop) {
      if (unit !== 39 && unit !== 0x2019 && unit !== 0x2018) tokens.strange++;
      continue;
    }
    if (unit === previous && group !== CLASS.digit) {
      if (++repeats >= MAX_REPEATS) continue;
    } else repeats = 0;
    previous = unit;
    const ofKind = KIND_OF_CLASS[group] as number;
    const joins = open >= 0 && group !== CLASS.space && ofKind === open && ofKind <= KIND.number;
    if (open >= 0 && !joins) {
      end[count] = length;
      hash[count] = running === 0 ? 1 : running;
      count++;
      open = -1;
    }
    if (group === CLASS.space) {
      if (length > 0 && units[length - 1] !== SPACE) units[length++] = SPACE;
      continue;
    }
    if (open < 0) {
      start[count] = length;
      kind[count] = ofKind;
      capitals[count] = 0;
      running = HASH_SEED;
      open = ofKind;
    }
    if (unit !== raw && capitals[count] === length - (start[count] as number))
      capitals[count] = Math.min(MOST_CAPITALS, (capitals[count] as number) + 1);
    running = hashStep(running, unit);
    units[length++] = unit;
  }
  if (open >= 0) {
    end[count] = length;
    hash[count] = running === 0 ? 1 : running;
    count++;
  }
  tokens.count = count;
  tokens.unitCount = length;
}

/** Fills `tokens` from a prompt, reading at most `READ_HEAD + READ_TAIL` of its UTF-16 units. Never throws. */
export function tokenise(text: string, tokens: Tokens): void {
  tokens.count = 0;
  tokens.unitCount = 0;
  tokens.strange = 0;
  tokens.length = text.length;
  if (text.length <= READ_HEAD + READ_TAIL) {
    read(text, tokens, { from: 0, to: text.length });
    return;
  }
  read(text, tokens, { from: 0, to: READ_HEAD });
  const { units } = tokens;
  if (tokens.unitCount > 0 && units[tokens.unitCount - 1] !== SPACE) units[tokens.unitCount++] = SPACE;
  read(text, tokens, { from: text.length - READ_TAIL, to: text.length });
}
