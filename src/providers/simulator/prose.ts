import { estimateTokens } from '../../core/cost/estimate.ts';
import { type Language, languageOf } from './language.ts';
import { PHRASES, type Phrases } from './phrases.ts';
import type { Dice } from './seed.ts';

/** What an answer is about and how long it gets. */
export interface Subject {
  readonly prompt: string;
  readonly language: Language;
  /** The words the prompt turns on, most telling first. */
  readonly topics: readonly string[];
}

const FILLER = new Set(
  (
    'about above after again answer because before being between could does doing down during each example explain from ' +
    'give have help here into just like list make many more most much need only other over please question same short ' +
    'should some such tell than that their them then there these they this those through under using very want were what ' +
    'when where which while will with word words would write your eine einen einem bitte erkläre über nicht warum oder ' +
    'sind wird werden mein unser comment pourquoi expliquez explique avec dans pour quelle votre cette cómo explica ' +
    'sobre para porque dónde cuál este esta en una know think show describe today'
  ).split(' '),
);

function topicsOf(prompt: string, language: Language): string[] {
  if (language === 'ja' || language === 'zh') {
    const runs =
      prompt.match(/[\u4e00-\u9fff]{2,8}|[\u30a0-\u30ff]{2,12}/g) ?? prompt.match(/[A-Za-z]{3,}/g) ?? [];
    return [...new Set(runs)].slice(0, 6);
  }
  const words = prompt.slice(-2000).match(/\p{L}[\p{L}\p{N}'-]{3,}/gu) ?? [];
  const telling = words.filter((word) => !FILLER.has(word.toLowerCase()));
  const score = (word: string): number => Math.min(word.length, 10) + (/^\p{Lu}/u.test(word) ? 3 : 0);
  return [...new Set(telling)].sort((a, b) => score(b) - score(a)).slice(0, 6);
}

/** What a prompt is about. */
export function readSubject(prompt: string, wish?: string): Subject {
  const language = languageOf(wish, prompt);
  return { prompt, language, topics: topicsOf(prompt, language) };
}

function filler(subject: Subject, phrases: Phrases, dice: Dice): (sentence: string) => string {
  const [first, ...rest] = subject.topics;
  return (sentence) =>
    sentence
      .replaceAll('{topic}', first ?? phrases.nothing)
      .replaceAll(
        '{other}',
        rest.length === 0 ? (first ?? phrases.nothing) : (rest[dice.below(rest.length)] ?? ''),
      )
      .replaceAll('{number}', String(3 + dice.below(6)) + (dice.next() < 0.5 ? '0' : ''));
}

/** Sentences without immediate repetition, endless. */
function* sentences(pool: readonly string[], dice: Dice): Generator<string> {
  let row: string[] = [];
  for (;;) {
    if (row.length === 0) {
      row = [...pool];
      for (let at = row.length - 1; at > 0; at--) {
        const other = dice.below(at + 1);
        [row[at], row[other]] = [row[other] ?? '', row[at] ?? ''];
      }
    }
    yield row.pop() ?? '';
  }
}

/** How long a natural answer to this prompt would be, in tokens. */
export function naturalLength(subject: Subject, dice: Dice): number {
  const { prompt } = subject;
  if (/\b(?:one word|single word|yes or no|ein wort|un mot|una palabra)\b/i.test(prompt)) return 4;
  if (/\b(?:short|brief|one sentence|kurz|bref|breve)|簡潔|简短|简要/i.test(prompt))
    return 35 + dice.below(20);
  if (/\b(?:detail|detailed|essay|long|ausführlich|détaill|detallad|in depth)/i.test(prompt))
    return 500 + dice.below(200);
  if (prompt.length < 20) return 40 + dice.below(30);
  return 140 + dice.below(160);
}

/** Prose of at least `tokens` tokens about the subject: paragraphs, now and then a heading and a list. */
export function writeProse(subject: Subject, tokens: number, dice: Dice): string {
  const phrases = PHRASES[subject.language];
  const fill = filler(subject, phrases, dice);
  const gap = subject.language === 'ja' || subject.language === 'zh' ? '' : ' ';
  const pool = sentences(phrases.body, dice);
  const paragraphs: string[] = [fill(dice.pick(phrases.openings))];
  let count = estimateTokens(paragraphs[0] ?? '');
  const listAt = tokens > 120 && dice.next() < 0.6 ? 1 + dice.below(2) : -1;
  while (count < tokens) {
    let piece = '';
    if (paragraphs.length === listAt) {
      piece = `## ${phrases.listTitle}\n\n${phrases.points.map((point) => `- ${fill(point)}`).join('\n')}`;
    } else {
      const length = 2 + dice.below(3);
      const lines: string[] = [];
      for (let at = 0; at < length; at++) lines.push(fill(pool.next().value ?? ''));
      piece = lines.join(gap);
    }
    paragraphs.push(piece);
    count += estimateTokens(piece) + 1;
  }
  if (count < tokens * 1.3 || paragraphs.length < 2) paragraphs.push(fill(dice.pick(phrases.closings)));
  const text = paragraphs.join('\n\n');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Thoughts about the subject, at least `tokens` tokens. */
export function writeReasoning(subject: Subject, tokens: number, dice: Dice): string {
  const phrases = PHRASES[subject.language];
  const fill = filler(subject, phrases, dice);
  const gap = subject.language === 'ja' || subject.language === 'zh' ? '' : ' ';
  const pool = sentences(phrases.reasoning, dice);
  let text = fill(phrases.reasoning[0]);
  let count = estimateTokens(text);
  while (count < tokens) {
    const next = gap + fill(pool.next().value ?? '');
    text += next;
    count += estimateTokens(next);
  }
  return text;
}

/** The longest beginning of at most `tokens` tokens. */
export function cutToTokens(text: string, tokens: number): string {
  if (tokens <= 0) return '';
  if (estimateTokens(text) <= tokens) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (estimateTokens(text.slice(0, middle)) <= tokens) low = middle;
    else high = middle - 1;
  }
  // Never end on half a surrogate pair.
  const isHalf = low > 0 && (text.charCodeAt(low - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHalf ? low - 1 : low);
}
