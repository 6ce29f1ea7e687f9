import { type Boosted, boost, boostedLogit } from './boost.ts';
import { sigmoid } from './heads.ts';

/** What is looked at in a cheap model's answer. */
const SIGNS = [
  'length',
  'promptLength',
  'sums',
  'wrongSums',
  'rightShare',
  'promptNumbers',
  'usedShare',
  'strangeShare',
  'finalMark',
  'finalIsLastResult',
  'finalIsFraction',
  'finalSize',
  'endsWell',
  'hedges',
  'refuses',
  'repeats',
  'lines',
  'finalInPrompt',
] as const;

const MAX_READ = 8000;
const MAX_SUMS = 60;
const DEPTH = 2;
const OPTIONS = { trees: 90, depth: DEPTH, rate: 0.07, minHessian: 6, shrink: 8 } as const;

const NUMBER = /-?\d[\d,]*(?:\.\d+)?/g;
/** `12 + 3*4 = 24`, with units and signs in between left out beforehand. */
const SUM = /(-?\d[\d.]*(?:\s*[-+*/]\s*\(?-?\d[\d.]*\)?){1,6})\s*=\s*(-?\d[\d.]*)/g;
const HEDGE =
  /\b(?:maybe|perhaps|probably|possibly|not sure|unclear|i think|i believe|i guess|approximately|assum\w+|it depends|cannot be determined|not enough information|vielleicht|wahrscheinlich|peut-être|probablement|quizás|probablemente)\b|可能|也许|たぶん/gi;
const REFUSAL =
  /\b(?:i(?:'m| am) (?:sorry|unable|not able)|i can(?:'t|not) (?:help|assist|answer|provide|do)|as an ai|cannot comply|es tut mir leid|je suis désolé|lo siento)\b|抱歉|申し訳/i;

const numbersIn = (text: string) =>
  Array.from(text.matchAll(NUMBER), ([digits]) => Number(digits.replaceAll(',', ''))).filter(Number.isFinite);

/** The value of `a + b * c` without brackets; `undefined` for anything else. */
function evaluate(expression: string): number | undefined {
  const parts = expression.replaceAll(/[()\s]/g, '').match(/(?:^-)?\d[\d.]*|[-+*/]/g);
  if (parts === null) return undefined;
  const terms: number[] = [Number(parts[0])];
  for (let at = 1; at + 1 < parts.length; at += 2) {
    const value = Number(parts[at + 1]);
    const last = terms.length - 1;
    if (parts[at] === '+') terms.push(value);
    else if (parts[at] === '-') terms.push(-value);
    else if (parts[at] === '*') terms[last] = (terms[last] as number) * value;
    else terms[last] = (terms[last] as number) / value;
  }
  const sum = terms.reduce((total, term) => total + term, 0);
  return Number.isFinite(sum) ? sum : undefined;
}

interface Sums {
  readonly count: number;
  readonly wrong: number;
  readonly last: number | undefined;
}

/** Re-does the sums an answer writes out; a rounding of one unit in the last place written is no mistake. */
function checkSums(answer: string): Sums {
  const plain = answer
    .replaceAll(/<<[^>]{0,80}>>/g, ' ')
    // Endless digits are no figure, and would make the search below slow.
    .replaceAll(/[\d.]{40,}/g, ' ')
    .replaceAll(/(\d),(?=\d{3})/g, '$1')
    .replaceAll(/[×x](?=\s*[$\d(])/g, '*')
    .replaceAll('÷', '/')
    .replaceAll(/[$€£%]/g, '');
  const bare = plain.replaceAll(/(\d)\s*[a-z]+(?:\s[a-z]+)?(?=\s*[-+*/=])/gi, '$1');
  let count = 0;
  let wrong = 0;
  let last: number | undefined;
  for (const [, left = '', right = ''] of bare.matchAll(SUM)) {
    if (++count > MAX_SUMS) break;
    const stated = Number(right.replace(/\.$/, ''));
    const value = evaluate(left);
    last = stated;
    if (value === undefined || !Number.isFinite(stated)) continue;
    const decimals = (/\.(\d+)/.exec(right)?.[1] ?? '').length;
    if (Math.abs(value - stated) > Math.max(10 ** -decimals, 1e-6 * Math.abs(value))) wrong++;
  }
  return { count, wrong, last };
}

/** Share of repeated four-word runs. */
function repetition(answer: string): number {
  const words = answer.toLowerCase().split(/\s+/);
  const runs = new Set<string>();
  const total = Math.max(1, words.length - 3);
  for (let at = 0; at + 3 < words.length; at++) runs.add(words.slice(at, at + 4).join(' '));
  return 1 - Math.max(1, runs.size) / total;
}

function signsOf(prompt: string, answer: string): Float32Array {
  const given = new Set(numbersIn(prompt));
  const written = numbersIn(answer);
  const used = new Set(written);
  const sums = checkSums(answer);
  const marked = /(?:####|answer\s*(?:is|:)|therefore[^.]{0,80}?)\s*\$?(-?\d[\d,]*(?:\.\d+)?)/i.exec(
    answer,
  )?.[1];
  const final = marked === undefined ? written.at(-1) : Number(marked.replaceAll(',', ''));
  const known = written.filter((value) => given.has(value)).length;
  const values: Record<(typeof SIGNS)[number], number> = {
    length: Math.log2(1 + answer.length),
    promptLength: Math.log2(1 + prompt.length),
    sums: sums.count,
    wrongSums: sums.wrong,
    rightShare: sums.count === 0 ? 0.5 : 1 - sums.wrong / sums.count,
    promptNumbers: given.size,
    usedShare: given.size === 0 ? 1 : [...given].filter((value) => used.has(value)).length / given.size,
    strangeShare: written.length === 0 ? 0 : 1 - known / written.length,
    finalMark: marked === undefined ? 0 : 1,
    finalIsLastResult: final !== undefined && final === sums.last ? 1 : 0,
    finalIsFraction: final !== undefined && !Number.isInteger(final) ? 1 : 0,
    finalSize: Math.log10(1 + Math.abs(final ?? 0)),
    endsWell: /(?:####\s*\$?-?[\d.,]+%?|[.!?)\]}`"»。])\s*$/.test(answer) ? 1 : 0,
    hedges: [...answer.matchAll(HEDGE)].length,
    refuses: REFUSAL.test(answer) ? 1 : 0,
    repeats: repetition(answer),
    lines: Math.log2(1 + answer.split('\n').length),
    finalInPrompt: final !== undefined && given.has(final) ? 1 : 0,
  };
  return Float32Array.from(SIGNS, (name) => values[name]);
}

/** Reads at most the first and last 4,000 characters of either text. */
function bounded(text: string): string {
  return text.length <= MAX_READ ? text : `${text.slice(0, MAX_READ / 2)} ${text.slice(-MAX_READ / 2)}`;
}

/** A cheap model's answer to a prompt, and how good it was, 0..1. */
export interface JudgedAnswer {
  readonly prompt: string;
  readonly answer: string;
  readonly ok: number;
}

/** The verifier as it stands in the prior's header: rounded boosted trees of depth 2. */
export interface Verifier {
  readonly base: number;
  readonly feature: readonly number[];
  readonly threshold: readonly number[];
  readonly leaf: readonly number[];
}

const DIGITS = 5;

/** Trains the cascade verifier; deterministic. */
export function trainVerifier(answers: readonly JudgedAnswer[]): Verifier {
  const values = new Float32Array(answers.length * SIGNS.length);
  answers.forEach(({ prompt, answer }, row) => {
    values.set(signsOf(bounded(prompt), bounded(answer)), row * SIGNS.length);
  });
  const target = Float32Array.from(answers, ({ ok }) => ok);
  const { base, feature, threshold, leaf } = boost(
    { rows: answers.length, columns: SIGNS.length, values, target },
    OPTIONS,
  );
  const rounded = (list: Float32Array) => Array.from(list, (value) => Number(value.toPrecision(DIGITS)));
  return { base, feature: [...feature], threshold: rounded(threshold), leaf: rounded(leaf) };
}

/** P(the answer will do) from the answer alone. */
export type Verify = (prompt: string, answer: string) => number;

/** The verifier ready for use. Pure; linear in the text read (at most 8,000 characters of each); never throws. */
export function openVerifier(verifier: Verifier): Verify {
  const model: Boosted = {
    base: verifier.base,
    feature: Int16Array.from(verifier.feature),
    threshold: Float32Array.from(verifier.threshold),
    leaf: Float32Array.from(verifier.leaf),
  };
  return (prompt, answer) => {
    if (answer.trim() === '') return 0;
    const signs = signsOf(bounded(prompt), bounded(answer));
    const p = sigmoid(boostedLogit(model, signs, DEPTH));
    return REFUSAL.test(answer.slice(0, 300)) ? Math.min(p, 0.1) : p;
  };
}
