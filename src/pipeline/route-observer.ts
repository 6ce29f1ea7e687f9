import type { Tapped } from './answer-tap.ts';
import { tapAnswer } from './answer-tap.ts';
import type { Ending, Stage } from './compose.ts';
import {
  type Answered,
  type Exchange,
  extend,
  type Facts,
  type Grant,
  type Principal,
  type Routed,
} from './exchange.ts';

/** An exchange that a router decided about, at its end. */
export interface RoutedEnd {
  readonly exchange: Exchange & { readonly principal?: Principal; readonly grant?: Grant };
  readonly ending: Ending;
  /** The model that answered. */
  readonly model: string | undefined;
  /** Its answer, where it was wanted. */
  readonly tapped: Tapped | undefined;
}

/** Who learns from routed exchanges. Must not throw, and must leave what costs time for later. */
export interface RouteObserver {
  /** Whether the answer of this exchange is to be kept until its end. Asked before the call. */
  wantsAnswer(exchange: Routed): boolean;
  ended(end: RoutedEnd): void;
}

/** Of one answer; a longer one is compared with nothing. */
const MAX_TAPPED_BYTES = 512 * 1024;

const TAPS = new WeakMap<Facts, Tapped>();

/** The answer that was kept for an exchange. */
export function tappedOf({ facts }: Exchange): Tapped | undefined {
  return TAPS.get(facts);
}

function keep(answered: Answered): Answered {
  const { answer, tapped } = tapAnswer(answered, answered.answer, MAX_TAPPED_BYTES);
  TAPS.set(answered.facts, tapped);
  return extend(answered, { answer });
}

/** Keeps the answers that the observer wants. Does nothing at all for exchanges without a router. */
export function observed(attempt: Stage<Routed, Answered>, observer: RouteObserver): Stage<Routed, Answered> {
  return (exchange) => {
    if (exchange.facts.routing === undefined || !observer.wantsAnswer(exchange)) return attempt(exchange);
    const answered = attempt(exchange);
    return answered instanceof Promise ? answered.then(keep) : keep(answered);
  };
}
