import { hashText } from '../decision/hash.ts';

/** A prompt like one asked so shortly before means that its answer did not do. Milliseconds. */
const SOON_MS = 5 * 60_000;
/** Words two prompts must share, of all words of both. */
const ALIKE = 0.6;
const MAX_WORDS = 64;
const MIN_WORDS = 3;
const MAX_PEOPLE = 5000;

/** An answered prompt, as words' hashes. */
export interface Asked {
  readonly exchangeId: string;
  readonly model: string;
  /** Milliseconds. */
  readonly at: number;
}

interface Kept extends Asked {
  readonly words: ReadonlySet<string>;
}

function wordsOf(text: string): ReadonlySet<string> {
  const words =
    text
      .slice(0, 4000)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return new Set(words.slice(0, MAX_WORDS).map((word) => hashText(word)));
}

function likeness(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  let shared = 0;
  for (const word of one) if (other.has(word)) shared++;
  return shared / (one.size + other.size - shared);
}

/**
 * Notices that somebody asks the same again: a retry or a rephrasing, a weak sign that the first answer did not do. Keeps
 * hashes of words only, of one prompt a person; bounded, the longest unheard of go first.
 */
export class Rephrasings {
  readonly #last = new Map<string, Kept>();

  /** Notes a prompt; answers with the earlier exchange that it repeats. `person`: a session or user, never a whole key. */
  note(person: string, text: string, asked: Asked): Asked | undefined {
    const words = wordsOf(text);
    const before = this.#last.get(person);
    this.#last.delete(person);
    this.#last.set(person, { ...asked, words });
    if (this.#last.size > MAX_PEOPLE) {
      const [oldest] = this.#last.keys();
      if (oldest !== undefined) this.#last.delete(oldest);
    }
    if (before === undefined || asked.at - before.at > SOON_MS || words.size < MIN_WORDS) return undefined;
    return likeness(words, before.words) >= ALIKE ? before : undefined;
  }
}
