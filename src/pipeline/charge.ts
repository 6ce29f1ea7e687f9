import { costOf, NO_COST } from '../core/cost/cost.ts';
import { estimateTokens } from '../core/cost/estimate.ts';
import type { Cost } from '../core/cost/exchange.ts';
import { UNKNOWN_USAGE, type Usage } from '../core/model/index.ts';
import type { Exchange } from './exchange.ts';

/**
 * The usage an exchange is charged by: what the upstream reported, else an estimate from the bytes of prompt and
 * delivered output, else unknown when no upstream was reached.
 */
export function finalUsage(exchange: Exchange): Usage {
  const { facts } = exchange;
  if (facts.free === true) return UNKNOWN_USAGE;
  if (facts.usage !== undefined && facts.usage.source !== 'unknown') return facts.usage;
  if (facts.deployment === undefined) return UNKNOWN_USAGE;
  return {
    ...UNKNOWN_USAGE,
    input: estimateTokens(exchange.raw),
    output: facts.deliveredBytes === 0 ? 0 : estimateTokens(facts.deliveredBytes),
    source: 'estimated',
    ...(facts.usage?.raw === undefined ? {} : { raw: facts.usage.raw }),
  };
}

/** Cost of an exchange, computed once and kept in its facts; `undefined` when the model has no known price. */
export function chargeExchange(exchange: Exchange): {
  readonly usage: Usage;
  readonly cost: Cost | undefined;
} {
  const { facts } = exchange;
  const usage = finalUsage(exchange);
  if (facts.deployment === undefined || facts.free === true) {
    facts.cost ??= NO_COST;
  } else if (facts.deployment.price !== undefined) {
    facts.cost ??= costOf(usage, facts.deployment.price.price);
  }
  return { usage, cost: facts.cost };
}
