import type { Structure } from './structure.ts';

/** Part of the name of the shipped weights: other rules order prompts otherwise, and what was proven with them has to be proven anew. */
export const RULES_VERSION = 2;

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

/** How much a prompt is like a word problem, 0..1; gradually, as figures may be written as words, and a typo must not decide. */
function storyShare(s: Structure): number {
  const marks = clamp((6 - s.mathMarks) / 4, 0, 1) * clamp((12 - s.codeMarks) / 8, 0, 1);
  const figures = s.quantity > 0 ? clamp((s.numbers + s.quantity - 1) / 3, 0, 1) : 0;
  return marks * figures * clamp((s.words - 10) / 15, 0, 1);
}

/** How much a word problem is about calculation, and how much more its length tells than another prompt's. */
const STORY = 0.6;
const STORY_SIZE = 1.5;

/** How much a prompt needs calculation or proof, 0..1. */
export function mathLikeness(s: Structure): number {
  return isStory(s) ? STORY : calculation(s);
}

const calculation = (s: Structure) => clamp(0.12 * s.math + 0.05 * s.mathMarks + 0.05 * s.dollars, 0, 1);

const BASE = -0.35;
const TECHNICAL = 0.8;

const sizeOf = (s: Structure) => 0.3 * clamp(Math.log2(Math.max(2, s.words) / 16), -2, 4);
const listed = (s: Structure) => (s.choices >= 3 ? 0.4 : 1);
/** What tells against the strong tier: prose and talk. */
function lightness(s: Structure, technical: number): number {
  const prose = Math.min(1.4, 0.7 * s.creative + 0.3 * s.summary) * (1 - technical);
  const talk = s.words <= 12 ? Math.min(0.6, 0.3 * s.chat) : 0;
  const isFact = s.askFirst > 0 && s.words <= 16 && technical < 0.3 && s.reason === 0;
  return prose + talk + (isFact ? 0.25 : 0);
}

/** Mean length of a word in word problems, and of what is still taken for a word. */
const STORY_WORD = 4.2;
const LONGEST_WORD = 7;

/** A word problem is as hard as it is long; long words count twice, as what is told in few figures has to be understood first. */
function storyScore(s: Structure): number {
  const size = STORY_SIZE * (sizeOf(s) + 0.6 * Math.log2(clamp(s.wordLength, 3, LONGEST_WORD) / STORY_WORD));
  return BASE + TECHNICAL * STORY * listed(s) + size + 0.1 - lightness(s, STORY);
}

function plainScore(s: Structure): number {
  const code = codeLikeness(s);
  const technical = Math.max(code, calculation(s));
  return (
    BASE +
    TECHNICAL * technical * listed(s) +
    (1 - 0.35 * code) * sizeOf(s) +
    Math.min(0.3, 0.1 * s.reason) +
    Math.min(0.3, 0.04 * s.numbers) +
    Math.min(0.2, 0.1 * s.negation) -
    lightness(s, technical)
  );
}

/**
 * Reason for the strong tier by hand-written rules, about −1..2: what asks for code, calculation, several steps or many
 * constraints is harder for small models than small talk, prose and short questions of fact; within a kind of prompt, the
 * longer the harder. Untrained on purpose: it is what is left when the traffic looks like nothing the model has learned from
 * (ROUTER §2.2).
 */
export function ruleScore(s: Structure): number {
  const story = storyShare(s);
  const plain = story < 1 ? (1 - story) * plainScore(s) : 0;
  return plain + (story > 0 ? story * storyScore(s) : 0) + 0.05 * s.foreign;
}
