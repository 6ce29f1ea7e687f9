import { estimateTokens } from '../core/cost/estimate.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Stage } from './compose.ts';
import type { Answer, Answered, Facts, Hold } from './exchange.ts';

/** Throws when more was delivered than was set aside. */
function watch(facts: Facts, most: number): void {
  if (facts.deliveredBytes <= most || estimateTokens(facts.deliveredBytes) <= most) return;
  throw new SluiceError(
    'budget_exceeded',
    'The answer is longer than what its budget set aside, and the budget is a hard one: it was cut off here.',
  );
}

/** Looks after each piece, before the next one is asked for. */
function cut<Piece>(pieces: AsyncIterable<Piece>, facts: Facts, most: number): AsyncIterable<Piece> {
  const source = pieces[Symbol.asyncIterator]();
  const close = async (): Promise<IteratorResult<Piece>> =>
    (await source.return?.()) ?? { done: true, value: undefined };
  const next = (): Promise<IteratorResult<Piece>> => {
    try {
      watch(facts, most);
    } catch (error) {
      return close().then(() => Promise.reject(error));
    }
    return source.next();
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: close }) };
}

function cutAnswer(answer: Answer, facts: Facts, most: number): Answer {
  if (answer.kind === 'byte-stream') return { ...answer, chunks: cut(answer.chunks, facts, most) };
  if (answer.kind === 'event-stream') return { ...answer, events: cut(answer.events, facts, most) };
  return answer;
}

/**
 * Cuts streams whose provider ignores `max_tokens` at what a hard budget has set aside. The client gets an error event, the
 * upstream is closed, what was delivered is charged.
 */
export function cutAtHold(guardOutput: Stage<Answered, Answered>): Stage<Answered, Answered> {
  const apply = (exchange: Answered & { readonly hold?: Hold }): Answered => {
    const most = exchange.hold?.cutAtTokens;
    if (most !== undefined) exchange.answer = cutAnswer(exchange.answer, exchange.facts, most);
    return exchange;
  };
  return (exchange) => {
    const answered = guardOutput(exchange);
    return answered instanceof Promise ? answered.then(apply) : apply(answered);
  };
}
