import type { Decoded } from './wire-corpus.ts';

/** What a client's dialect has no word for in an answer. */
export interface AnswerLoss {
  /** For the written list: what is lost and how it looks to the client instead. */
  readonly what: string;
  /** How a reference decoding looks when read through the dialect. */
  apply(answer: Decoded): Decoded;
}

function stops(map: Readonly<Record<string, string>>, what: string): AnswerLoss {
  return {
    what,
    apply: (answer) => ({ ...answer, stop: answer.stop === null ? null : (map[answer.stop] ?? answer.stop) }),
  };
}

const NO_USAGE = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, reasoning: 0 };

const NO_STOP_SEQUENCE = stops(
  { stop_seq: 'end' },
  'The stop sequence that ended an answer: the dialect has one word, `stop`, for both endings.',
);
const NO_REFUSAL_STOP = stops(
  { refusal: 'filter' },
  'A model’s own refusal and a content filter end alike: both read as filtered.',
);
const REFUSAL_ENDS: AnswerLoss = {
  what: 'A refusal in words of its own (`refusal`) ends with `stop`, as OpenAI ends it; one without reads as filtered.',
  apply: (answer) =>
    answer.stop === 'refusal' ? { ...answer, stop: answer.refusal === '' ? 'filter' : 'end' } : answer,
};
const NO_PAUSE = stops({ pause: 'end' }, 'A paused turn (`pause_turn`) reads as a normal end.');
const NO_CACHE_WRITES: AnswerLoss = {
  what: 'Tokens written to the prompt cache have no field of their own; they are counted in the prompt.',
  apply: (answer) =>
    answer.usage === null ? answer : { ...answer, usage: { ...answer.usage, cacheWrite: 0 } },
};

const REFUSAL_IS_TEXT: AnswerLoss = {
  what: 'Refusal text is plain text.',
  apply: (answer) => ({ ...answer, text: answer.text + answer.refusal, refusal: '' }),
};

const MISSING_STOP: AnswerLoss = {
  what: 'A stop reason that the upstream did not give reads as `stop`: strict clients need one.',
  apply: (answer) => (answer.stop === null ? { ...answer, stop: 'end' } : answer),
};

/** The declared losses of answers by client dialect. Whatever is not listed has to arrive. */
export const ANSWER_LOSSES: Readonly<Record<string, readonly AnswerLoss[]>> = {
  'openai-chat': [NO_STOP_SEQUENCE, REFUSAL_ENDS, NO_PAUSE, MISSING_STOP],
  'openai-responses': [NO_STOP_SEQUENCE, REFUSAL_ENDS, NO_PAUSE, MISSING_STOP],
  'openai-completions': [
    NO_STOP_SEQUENCE,
    REFUSAL_ENDS,
    NO_PAUSE,
    MISSING_STOP,
    NO_CACHE_WRITES,
    REFUSAL_IS_TEXT,
    {
      what: 'Reasoning is not shown; its tokens are counted.',
      apply: (answer) => ({ ...answer, reasoning: '' }),
    },
  ],
  'anthropic-messages': [
    stops(
      { filter: 'refusal' },
      'A content filter reads as `refusal`, the only word the dialect has for it.',
    ),
    {
      what: 'Usage that the upstream did not report reads as zero: the fields are required. Our log says `unknown`.',
      apply: (answer) => (answer.usage === null ? { ...answer, usage: NO_USAGE } : answer),
    },
    {
      what: 'A stop reason that the upstream did not give reads as a normal end: the field is required.',
      apply: (answer) => (answer.stop === null ? { ...answer, stop: 'end' } : answer),
    },
    REFUSAL_IS_TEXT,
  ],
  gemini: [
    NO_STOP_SEQUENCE,
    NO_REFUSAL_STOP,
    stops({ pause: 'other:CONTINUATION' }, 'A paused turn ends with `CONTINUATION`, which few clients know.'),
    NO_CACHE_WRITES,
    REFUSAL_IS_TEXT,
    {
      what: 'A stop reason that the upstream did not give reads as `FINISH_REASON_UNSPECIFIED`.',
      apply: (answer) =>
        answer.stop === null ? { ...answer, stop: 'other:FINISH_REASON_UNSPECIFIED' } : answer,
    },
  ],
};

/** A reference decoding as a client of this dialect should read it. */
export function throughDialect(dialect: string, answer: Decoded): Decoded {
  return (ANSWER_LOSSES[dialect] ?? []).reduce((before, loss) => loss.apply(before), answer);
}
