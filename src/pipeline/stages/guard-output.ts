import type { Stage } from '../compose.ts';
import type { Answered } from '../exchange.ts';

/** Output guardrails. None are built yet: every answer passes unread. */
export function createGuardOutput(): Stage<Answered, Answered> {
  return (exchange) => exchange;
}
