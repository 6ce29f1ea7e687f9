import type { Marks } from './boilerplate.ts';
import { CUE } from './lexicon.ts';
import { KIND, type Tokens } from './tokens.ts';

/** What is counted in a prompt; politeness and strung-together words are left out. */
export const STRUCTURE = [
  'words',
  'wordLength',
  'longWords',
  'distinctShare',
  'functionShare',
  'sentences',
  'questions',
  'numbers',
  'bigNumbers',
  'numberShare',
  'mathMarks',
  'codeMarks',
  'brackets',
  'commas',
  'colons',
  'quotes',
  'dollars',
  'blanks',
  'choices',
  'ideographs',
  'foreign',
  'askFirst',
  'askLast',
  'endsAsking',
  'endsColon',
  'endsStop',
  'startsCode',
  'question',
  'code',
  'math',
  'reason',
  'creative',
  'summary',
  'extract',
  'classify',
  'negation',
  'chat',
  'pointer',
  'attachment',
  'write',
  'science',
  'quantity',
  'constraint',
  'capitals',
  'capitalShare',
  'shouted',
  'beginsCapital',
] as const;

/** Counts that change when a prompt is written in small letters, which hardly changes how hard it is. */
export const OF_CASE: readonly string[] = ['capitals', 'capitalShare', 'shouted', 'beginsCapital'];

export type StructureName = (typeof STRUCTURE)[number];

/** Counts by name; shares are 0..1. */
export type Structure = Record<StructureName, number>;

/** Writes counts in the order of `STRUCTURE`. */
export function writeCounts(structure: Structure, out: Float32Array): void {
  for (let at = 0; at < STRUCTURE.length; at++) out[at] = structure[STRUCTURE[at] as StructureName];
}

/** Counts that are the number of words with a cue, by the bit of the cue. */
const CUE_NAMES = [
  ['question', CUE.question],
  ['code', CUE.code],
  ['math', CUE.math],
  ['reason', CUE.reason],
  ['creative', CUE.creative],
  ['summary', CUE.summary],
  ['extract', CUE.extract],
  ['classify', CUE.classify],
  ['negation', CUE.negation],
  ['chat', CUE.chat],
  ['pointer', CUE.pointer],
  ['attachment', CUE.attachment],
  ['write', CUE.write],
  ['science', CUE.science],
  ['quantity', CUE.quantity],
  ['constraint', CUE.constraint],
  ['functionShare', CUE.function],
] as const satisfies readonly (readonly [StructureName, number])[];

export function emptyStructure(): Structure {
  return Object.fromEntries(STRUCTURE.map((name) => [name, 0])) as Structure;
}

/** Words met with each cue bit. */
const cueCounts = new Int32Array(32);

const LONG_WORD = 9;
const BIG_NUMBER = 3;
const FIRST_WORDS = 4;
const LAST_WORDS = 12;
/** Room for word fingerprints, to count distinct ones. */
const SEEN = 4096;
const seen = new Int32Array(SEEN);

const MATH = 1;
const CODE = 2;
/** What a mark counts as: bits, then one named count. */
const MARK_BITS = new Uint8Array(128);
for (const sign of '+*/=^<>%') MARK_BITS[sign.charCodeAt(0)] = MATH;
for (const sign of '{}[];_`#|\\&@~<>=') {
  const unit = sign.charCodeAt(0);
  MARK_BITS[unit] = (MARK_BITS[unit] as number) | CODE;
}
const WIDE_MATH = new Set(Array.from('√∑∫≤≥≠±×÷∞π−∂∈∀∃→', (sign) => sign.charCodeAt(0)));

function countMark(into: Structure, unit: number): void {
  const bits = unit < 128 ? (MARK_BITS[unit] as number) : WIDE_MATH.has(unit) ? MATH : 0;
  if ((bits & MATH) !== 0) into.mathMarks++;
  if ((bits & CODE) !== 0) into.codeMarks++;
  switch (unit) {
    case 46: // .
    case 33: // !
    case 0x3002: // ideographic full stop
      into.sentences++;
      break;
    case 63: // ?
      into.sentences++;
      into.questions++;
      break;
    case 40: // (
      into.brackets++;
      break;
    case 44: // ,
    case 0x3001:
      into.commas++;
      break;
    case 58: // :
      into.colons++;
      break;
    case 34: // "
    case 0x201c:
    case 0x300c:
      into.quotes++;
      break;
    case 36: // $
      into.dollars++;
      break;
    case 95: // _
      into.blanks++;
      break;
    default:
  }
}

/** "A." "B)" "(c)": letters that name choices, met in their order. */
function isChoice(tokens: Tokens, at: number, expected: number): boolean {
  const { start, end, units, kind } = tokens;
  const from = start[at] as number;
  if ((end[at] as number) - from !== 1 || units[from] !== 97 + expected) return false;
  if (at + 1 >= tokens.count || kind[at + 1] !== KIND.mark) return false;
  const next = units[start[at + 1] as number];
  return next === 46 || next === 41 || next === 58;
}

function countWord(into: Structure, cues: number, length: number): void {
  into.wordLength += length;
  if (length >= LONG_WORD) into.longWords++;
  for (let bits = cues; bits !== 0; bits &= bits - 1) {
    const bit = 31 - Math.clz32(bits & -bits);
    cueCounts[bit] = (cueCounts[bit] as number) + 1;
  }
}

function isFirstSeen(hash: number): boolean {
  const at = (hash ^ (hash >>> 12)) & (SEEN - 1);
  if (seen[at] === hash) return false;
  seen[at] = hash;
  return true;
}

/** How a prompt begins and ends. */
function countEnds(into: Structure, tokens: Tokens, marks: Marks): void {
  let first = 0;
  while (first < tokens.count && marks.kept[first] === 0) first++;
  for (let at = first; at < Math.min(tokens.count, first + FIRST_WORDS); at++) {
    if (((marks.cues[at] as number) & CUE.question) !== 0) into.askFirst = 1;
    if (((marks.cues[at] as number) & CUE.code) !== 0) into.startsCode = 1;
  }
  let last = tokens.count - 1;
  while (last >= 0 && marks.kept[last] === 0) last--;
  for (let at = Math.max(first, last - LAST_WORDS); at <= last; at++) {
    if (((marks.cues[at] as number) & CUE.question) !== 0) into.askLast = 1;
  }
  const unit = last < 0 ? 0 : tokens.units[tokens.start[last] as number];
  into.endsAsking = unit === 63 ? 1 : 0;
  into.endsColon = unit === 58 ? 1 : 0;
  into.endsStop = unit === 46 ? 1 : 0;
}

function toShares(into: Structure, languages: { readonly english: number; readonly known: number }): void {
  const words = Math.max(1, into.words);
  into.numberShare = into.numbers / words;
  into.wordLength /= words;
  into.distinctShare /= words;
  into.functionShare /= words;
  into.foreign = languages.known > 2 * languages.english + 1 ? 1 : 0;
}

/** Share of words in capitals from which case says nothing. */
const ALL_SHOUTED = 0.6;

/** How a prompt is written: names within sentences, words in capitals. A prompt in nothing but capitals counts as one in small letters. */
function countCase(into: Structure, tokens: Tokens, marks: Marks): void {
  const { kind, start, end, units } = tokens;
  let begins = true;
  let first = true;
  for (let at = 0; at < tokens.count; at++) {
    if (marks.kept[at] === 0) continue;
    if (kind[at] !== KIND.word) {
      if (kind[at] === KIND.mark) begins = units[start[at] as number] !== 44;
      continue;
    }
    const capitals = tokens.capitals[at] as number;
    if (capitals > 0) {
      into.capitalShare++;
      if (first) into.beginsCapital = 1;
      if (!begins) into.capitals++;
      if (capitals > 1 && capitals === (end[at] as number) - (start[at] as number)) into.shouted++;
    }
    begins = false;
    first = false;
  }
  if (into.shouted > ALL_SHOUTED * into.words) {
    into.capitals = into.capitalShare = into.shouted = into.beginsCapital = 0;
  }
  into.capitalShare /= Math.max(1, into.words);
}

/** Counts the structure of the tokens that are kept, into `into`. */
export function countStructure(tokens: Tokens, marks: Marks, into: Structure): void {
  for (const name of STRUCTURE) into[name] = 0;
  seen.fill(0);
  cueCounts.fill(0);
  const { kind, start, end, hash, units } = tokens;
  let english = 0;
  let known = 0;
  for (let at = 0; at < tokens.count; at++) {
    if (marks.kept[at] === 0) continue;
    const from = start[at] as number;
    const length = (end[at] as number) - from;
    if (kind[at] === KIND.mark) {
      countMark(into, units[from] as number);
      continue;
    }
    into.words++;
    if (isFirstSeen(hash[at] as number)) into.distinctShare++;
    if (kind[at] === KIND.number) {
      into.numbers++;
      if (length >= BIG_NUMBER) into.bigNumbers++;
      continue;
    }
    if (kind[at] === KIND.ideograph) into.ideographs++;
    const spoken = marks.languages[at] as number;
    if (spoken !== 0) known++;
    if ((spoken & 1) !== 0) english++;
    if (into.choices < 10 && isChoice(tokens, at, into.choices)) into.choices++;
    countWord(into, marks.cues[at] as number, length);
  }
  for (const [name, bit] of CUE_NAMES) into[name] = cueCounts[31 - Math.clz32(bit)] as number;
  countEnds(into, tokens, marks);
  countCase(into, tokens, marks);
  toShares(into, { english, known });
}

/** Where each count is cut into steps; one feature per step reached, so that weights add up along the count. */
const STEPS: Readonly<Partial<Record<StructureName, readonly number[]>>> = {
  words: [4, 7, 10, 14, 19, 25, 35, 50, 70, 100, 140, 200, 300, 500],
  wordLength: [3.6, 4.0, 4.4, 4.8, 5.2, 5.8, 6.5],
  longWords: [1, 2, 4, 8, 16, 32],
  distinctShare: [0.5, 0.6, 0.7, 0.8, 0.9, 0.97],
  functionShare: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
  sentences: [1, 2, 3, 5, 8, 14],
  questions: [1, 2, 3],
  numbers: [1, 2, 3, 4, 5, 7, 10, 15],
  bigNumbers: [1, 2, 4],
  numberShare: [0.03, 0.06, 0.1, 0.15, 0.25],
  mathMarks: [1, 2, 4, 8, 16],
  codeMarks: [1, 2, 4, 8, 16, 40],
  brackets: [1, 2, 4, 8],
  commas: [1, 2, 4, 8, 16],
  colons: [1, 2, 4],
  quotes: [1, 3, 6],
  dollars: [1, 2, 4],
  blanks: [1, 3],
  choices: [2, 4, 5],
  ideographs: [1, 20],
  // How a prompt is written must not move what every route begins with: only a route's own labels give it weight.
  endsStop: [],
  capitals: [],
  capitalShare: [],
  shouted: [],
  beginsCapital: [],
};
const DEFAULT_STEPS = [1, 2, 4];

interface Step {
  readonly name: StructureName;
  readonly from: number;
}

const ALL_STEPS: readonly Step[] = STRUCTURE.flatMap((name) =>
  (STEPS[name] ?? DEFAULT_STEPS).map((from) => ({ name, from })),
);

/** How many step features there are. */
export const STEP_COUNT = ALL_STEPS.length;

/** Writes the indices of the steps reached (0-based) to `out`; answers how many. */
export function reachedSteps(structure: Structure, out: Int32Array): number {
  let count = 0;
  for (let at = 0; at < ALL_STEPS.length; at++) {
    const { name, from } = ALL_STEPS[at] as Step;
    if (structure[name] >= from) out[count++] = at;
  }
  return count;
}
