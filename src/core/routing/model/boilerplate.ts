import { hashStep } from './hash.ts';
import { CUE, findWord, lexicon } from './lexicon.ts';
import { KIND, MAX_UNITS, type Tokens } from './tokens.ts';

/** Most words of politeness left out at either end. */
const MAX_POLITE = 45;
/** Words that must be left for anything to be left out. */
const MIN_LEFT = 3;
/** Words in a window that is looked at for the glue of language, and how few of them make it a list of words. */
const WINDOW = 12;
const MAX_GLUE = 1;

/** What is known of each token from the lexicon, and which tokens count. Overwritten by the next prompt. */
export interface Marks {
  readonly cues: Int32Array;
  readonly languages: Uint8Array;
  /** 1: the token is part of the prompt proper; 0: politeness, or words strung together without language. */
  readonly kept: Uint8Array;
}

export function createMarks(): Marks {
  return {
    cues: new Int32Array(MAX_UNITS),
    languages: new Uint8Array(MAX_UNITS),
    kept: new Uint8Array(MAX_UNITS),
  };
}

function lookUp(tokens: Tokens, marks: Marks): void {
  const tables = lexicon();
  const { kind, hash, units, start } = tokens;
  const { cues, languages, kept } = marks;
  for (let at = 0; at < tokens.count; at++) {
    kept[at] = 1;
    cues[at] = 0;
    languages[at] = 0;
    const ofKind = kind[at];
    let key = hash[at] as number;
    if (ofKind === KIND.ideograph) {
      // Two neighbouring characters are the words of the list.
      if (at + 1 >= tokens.count || kind[at + 1] !== KIND.ideograph) continue;
      key = hashStep(key, units[start[at + 1] as number] as number) || 1;
    } else if (ofKind !== KIND.word) continue;
    const entry = findWord(tables, key);
    cues[at] = tables.cues[entry] as number;
    languages[at] = tables.languages[entry] as number;
  }
}

const unitAt = (tokens: Tokens, at: number) => tokens.units[tokens.start[at] as number] as number;

/** Full stop, exclamation and question mark, colon, also wide. */
function endsSentence(tokens: Tokens, at: number): boolean {
  const unit = unitAt(tokens, at);
  return unit === 46 || unit === 33 || unit === 63 || unit === 58 || unit === 0x3002;
}

/**
 * Leaves out "Hello, could you please help me with …" in front, or "Thanks in advance!" behind: a run of words of politeness up
 * to the end of the last stretch that holds an unmistakable one.
 */
function leaveOutPoliteness(tokens: Tokens, marks: Marks, fromEnd: boolean): void {
  const { kind } = tokens;
  const { cues, kept } = marks;
  const step = fromEnd ? -1 : 1;
  const first = fromEnd ? tokens.count - 1 : 0;
  let words = 0;
  let anchored = false;
  let until = first;
  for (let at = first; at >= 0 && at < tokens.count && words <= MAX_POLITE; at += step) {
    if (kind[at] === KIND.mark) {
      if (until === at) until = at + step;
      if (endsSentence(tokens, at)) anchored = false;
      continue;
    }
    if (((cues[at] as number) & CUE.polite) === 0) break;
    words++;
    if (((cues[at] as number) & CUE.anchor) !== 0) anchored = true;
    if (anchored) until = at + step;
  }
  const left = fromEnd ? until + 1 : tokens.count - until;
  if (words === 0 || left < MIN_LEFT) return;
  for (let at = first; at !== until; at += step) if (kind[at] !== KIND.mark || words > 0) kept[at] = 0;
}

/** A word that holds language together; a lone letter names a choice or a variable and ends a run, too. */
function isGlue(tokens: Tokens, marks: Marks, at: number): boolean {
  if (((marks.cues[at] as number) & CUE.function) !== 0) return true;
  return (tokens.end[at] as number) - (tokens.start[at] as number) === 1;
}

/**
 * A window reaches into the sentence that follows the list: what begins a sentence and goes on beyond the window is kept.
 * Answers how many words that are.
 */
function giveBackBeginnings(tokens: Tokens, kept: Uint8Array): number {
  let given = 0;
  for (let at = 0; at + 1 < tokens.count; at++) {
    if (kept[at] !== 2 || kept[at + 1] === 2 || tokens.kind[at + 1] === KIND.mark) continue;
    let from = at;
    while (from > 0 && kept[from] === 2 && tokens.kind[from] !== KIND.mark) from--;
    if (tokens.kind[from] !== KIND.mark || !endsSentence(tokens, from)) continue;
    for (let back = from + 1; back <= at; back++) {
      kept[back] = 1;
      given++;
    }
  }
  return given;
}

/**
 * Leaves out windows of words without function words: lists of impressive words somebody put in front to look hard. A prompt
 * that is nothing else stays as it is.
 */
function leaveOutWordLists(tokens: Tokens, marks: Marks): void {
  const { kind } = tokens;
  const { kept } = marks;
  const ring = new Uint16Array(WINDOW);
  let filled = 0;
  let glue = 0;
  let dropped = 0;
  let words = 0;
  for (let at = 0; at < tokens.count; at++) {
    if (kept[at] === 0) continue;
    if (kind[at] === KIND.mark) continue;
    if (kind[at] !== KIND.word) {
      filled = 0;
      glue = 0;
      words++;
      continue;
    }
    words++;
    const place = filled % WINDOW;
    if (filled >= WINDOW && isGlue(tokens, marks, ring[place] as number)) glue--;
    ring[place] = at;
    if (isGlue(tokens, marks, at)) glue++;
    filled++;
    if (filled < WINDOW || glue > MAX_GLUE) continue;
    for (let back = 0; back < WINDOW; back++) {
      const member = ring[back] as number;
      if (kept[member] === 1) dropped++;
      kept[member] = 2;
    }
  }
  dropped -= giveBackBeginnings(tokens, kept);
  const restore = words - dropped < MIN_LEFT;
  // Marks between words that go, go with them.
  let gone = false;
  for (let at = 0; at < tokens.count; at++) {
    if (kind[at] === KIND.mark) {
      if (gone && !restore) kept[at] = 0;
      continue;
    }
    gone = kept[at] === 2;
    if (gone) kept[at] = restore ? 1 : 0;
  }
}

/** Fills `marks` for `tokens`. */
export function markTokens(tokens: Tokens, marks: Marks): void {
  lookUp(tokens, marks);
  leaveOutPoliteness(tokens, marks, false);
  leaveOutPoliteness(tokens, marks, true);
  leaveOutWordLists(tokens, marks);
}
