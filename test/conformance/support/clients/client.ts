import type { CLIENT_DIALECTS } from '../../../../src/formats/dialects.ts';
import type { Ask } from '../scenarios.ts';
import type { Decoded } from '../wire-corpus.ts';

/** A client dialect by name. */
export type DialectName = keyof typeof CLIENT_DIALECTS;

/** What an SDK handed to its caller. */
export interface Answer {
  readonly read: Decoded;
  /** Opaque reasoning state in the answer, to be compared with what the upstream gets back. */
  readonly signatures: readonly string[];
  /** The answer as the SDK wants it back in the next request. */
  readonly turn: unknown;
  readonly headers: Headers;
}

/** One request: the question, and for a second turn the answer to the first. */
export interface Question {
  readonly model: string;
  readonly ask: Ask;
  readonly after?: Answer;
}

/** The vendor's own SDK for one dialect. */
export interface Client {
  /** Whether the dialect itself has a way to say this. */
  can(ask: Ask): boolean;
  whole(question: Question): Promise<Answer>;
  /** Through the SDK's strict streaming helper. */
  stream(question: Question): Promise<Answer>;
}

/** Results of the calls of a first answer. */
export const SECOND_RESULT = 'sunny, 20 degrees';

/** The prompt of the second turn. */
export const SECOND_PROMPT = 'And then?';

/** Arguments as an object. */
export function parsed(text: string): unknown {
  return text === '' ? {} : JSON.parse(text);
}

/** A `Decoded` of what is given. */
export function decoded(given: Partial<Decoded>): Decoded {
  return {
    text: '',
    reasoning: '',
    refusal: '',
    signatures: 0,
    tools: [],
    stop: null,
    usage: null,
    citations: 0,
    error: null,
    model: null,
    ...given,
  };
}

/** A fetch that keeps the headers of the last answer. */
export function keepingHeaders(): { fetch: typeof fetch; headers(): Headers } {
  let last = new Headers();
  return {
    fetch: async (...given) => {
      const answer = await fetch(...given);
      last = answer.headers;
      return answer;
    },
    headers: () => last,
  };
}
