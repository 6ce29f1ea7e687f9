import { costOf } from '../core/cost/cost.ts';
import type { Cost } from '../core/cost/exchange.ts';
import type { PriceSnapshot } from '../core/cost/price.ts';
import { splitStated, statedCost } from '../core/cost/stated-cost.ts';
import { priceUnder } from '../core/cost/terms.ts';
import { askedTerms } from './asked-terms.ts';
import type { BilledCall, Exchange } from './exchange.ts';

/** What one call costs, and the price that says so; each `undefined` where nobody knows. */
export interface CallCost {
  readonly cost: Cost | undefined;
  readonly price: PriceSnapshot | undefined;
}

/** Snapshots of prices that a vendor's own statement stands over. */
const overruled = new WeakMap<PriceSnapshot, PriceSnapshot>();

function statedBy(price: PriceSnapshot | undefined): PriceSnapshot | undefined {
  if (price === undefined) return undefined;
  let stated = overruled.get(price);
  if (stated === undefined) {
    stated = { ...price, source: 'vendor', asOf: 'its usage' };
    overruled.set(price, stated);
  }
  return stated;
}

/** The price of a call under the terms its answer names, or else under those that were asked for. */
function priceOf(exchange: Exchange, { deployment, usage }: BilledCall): PriceSnapshot | undefined {
  const { price } = deployment;
  if (price?.price.terms === undefined) return price;
  return priceUnder(price, usage.terms ?? askedTerms(exchange, price));
}

/**
 * What its vendor says that a call costs, in nano-dollars, where that counts: the operator set no price, and it is not nothing for
 * what has a price.
 */
function statedFor({ usage, deployment }: BilledCall): number | undefined {
  const { price, provider } = deployment;
  const { statesCost } = provider.vendor;
  const isSet = price !== undefined && price.source !== 'catalog';
  if (statesCost === undefined || isSet || usage.source !== 'reported') return undefined;
  const stated = statedCost(usage.raw, statesCost);
  return stated === 0 && price !== undefined ? undefined : stated;
}

/** Whether its vendor says what a call costs, with all that it did for it. */
export function isStated(call: BilledCall): boolean {
  return statedFor(call) !== undefined;
}

/** What a call costs: what its vendor states, else its usage at its price. */
export function callCost(exchange: Exchange, call: BilledCall): CallCost {
  const price = priceOf(exchange, call);
  const cost = price === undefined ? undefined : costOf(call.usage, price.price);
  const stated = statedFor(call);
  return stated === undefined ? { cost, price } : { cost: splitStated(stated, cost), price: statedBy(price) };
}
