import type { Structure } from './structure.ts';

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** How much a prompt is about programming, 0..1. */
export function codeLikeness(s: Structure): number {
  const marks = s.codeMarks + 2 * s.brackets;
  return clamp(0.25 * s.code + (s.code > 0 ? 0.03 * marks : 0.012 * s.codeMarks) + 0.3 * s.startsCode, 0, 1);
}

/** A word problem: its figures say little about how hard it is, its length more. */
function isStory(s: Structure): boolean {
  return s.numbers >= 2 && s.quantity >= 2 && s.mathMarks < 4 && s.codeMarks < 8;
}

/** As long as a word problem, though its figures may be written as words: enough to go by its length, not to call it one. */
function isLikeStory(s: Structure): boolean {
  return (
    isStory(s) || (s.words >= 20 && s.numbers > 0 && s.quantity > 0 && s.mathMarks < 4 && s.codeMarks < 8)
  );
}

/** How much a word problem is about calculation, and how much more its length tells than another prompt's. */
const STORY = 0.6;
const STORY_SIZE = 1.5;

/** How much a prompt needs calculation or proof, 0..1. */
export function mathLikeness(s: Structure): number {
  if (isStory(s)) return STORY;
  return clamp(0.12 * s.math + 0.05 * s.mathMarks + 0.05 * s.dollars, 0, 1);
}

/**
 * Reason for the strong tier by hand-written rules, about −1..2: what asks for code, calculation, several steps or many
 * constraints is harder for small models than small talk, prose and short questions of fact; within a kind of prompt, the
 * longer the harder. Untrained on purpose: it is what is left when the traffic looks like nothing the model has learned from
 * (ROUTER §2.2).
 */
export function ruleScore(s: Structure): number {
  const code = codeLikeness(s);
  const story = isLikeStory(s);
  const technical = story ? STORY : Math.max(code, mathLikeness(s));
  const size = 0.3 * clamp(Math.log2(Math.max(2, s.words) / 16), -2, 4);
  const reasoning = story ? 0 : Math.min(0.3, 0.1 * s.reason);
  const figures = story ? 0.1 : Math.min(0.3, 0.04 * s.numbers);
  const negated = story ? 0 : Math.min(0.2, 0.1 * s.negation);
  const prose = Math.min(1.4, 0.7 * s.creative + 0.3 * s.summary) * (1 - technical);
  const talk = s.words <= 12 ? Math.min(0.6, 0.3 * s.chat) : 0;
  const isFact = s.askFirst > 0 && s.words <= 16 && technical < 0.3 && s.reason === 0;
  return (
    -0.35 +
    0.8 * technical * (s.choices >= 3 ? 0.4 : 1) +
    size * (story ? STORY_SIZE : 1 - 0.35 * code) +
    reasoning +
    figures +
    negated +
    0.05 * s.foreign -
    prose -
    talk -
    (isFact ? 0.25 : 0)
  );
}
