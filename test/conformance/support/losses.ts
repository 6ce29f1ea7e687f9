import type { Decoded } from './wire-corpus.ts';

/** What a client's dialect has no word for in an answer: how a reference decoding looks when read through it. */
export interface AnswerLoss {
  /** For the written list. */
  readonly what: string;
  readonly told: string;
  apply(answer: Decoded): Decoded;
}

const stops = (
  map: Readonly<Record<string, string>>,
  what: string,
  told: string,
): AnswerLoss => ({
  what,
  told,
  apply: (answer) => ({ ...answer, stop: answer.stop === null ? null : (map[answer.stop] ?? answer.stop) }),
});

const usage = (without: readonly ('cacheWrite' | 'reasoning')[], what: string, told: string): AnswerLoss => ({
  what,
  told,
  apply: (answer) =>
    answer.usage === null
      ? answer
      : { ...answer, usage: { ...answer.usage, ...Object.fromEntries(without.map((name) => [name, 0])) } },
});

/** The declared losses of answers, by client dialect: the rest must be equal. */
export const ANSWER_LOSSES: Readonly<Record<string, readonly AnswerLoss[]>> = {
  'openai-chat': [],
  'openai-responses': [],
  'anthropic-messages': [],
  gemini: [],
};

export { stops, usage };
