import type { Ender, Stage } from '../compose.ts';
import type { Answered, Exchange, Guarded } from '../exchange.ts';
import type { SharedAnswers } from '../shared-answers.ts';

/** An equal request's answer instead of a call: one that is kept, or one that is under way. Else nothing. */
export function createLookupCache(answers: SharedAnswers): Stage<Guarded, Answered | undefined> {
  return (exchange) => answers.lookup(exchange);
}

/** Hands an answer on to equal requests that wait for it, and keeps it for later ones. */
export function createShareAnswer(answers: SharedAnswers): Stage<Answered, Answered> {
  return (exchange) => answers.share(exchange);
}

/** Leaves the shared call, or tells those who follow how it ended. Runs at every kind of ending. */
export function createLeaveCache(answers: SharedAnswers): Ender<Exchange> {
  return (exchange, ending) => answers.end(exchange, ending);
}
