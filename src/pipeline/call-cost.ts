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
 * What a call costs: what its vendor states, where it does and the operator set no price; else its usage at its price. A vendor
 * that states nothing to pay for what has a price is not believed.
 */
export function callCost(exchange: Exchange, call: BilledCall): CallCost {
  const price = priceOf(exchange, call);
  const { usage, deployment } = call;
  const cost = price === undefined ? undefined : costOf(usage, price.price);
  const { statesCost } = deployment.provider.vendor;
  if (statesCost === undefined || usage.source !== 'reported') return { cost, price };
  const stated = statedCost(usage.raw, statesCost);
  const isOurs = price !== undefined && price.source !== 'catalog';
  if (stated === undefined || isOurs || (stated === 0 && cost !== undefined)) return { cost, price };
  return { cost: splitStated(stated, cost), price: statedBy(price) };
}
