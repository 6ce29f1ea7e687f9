import { isObject, type Json } from '../model/index.ts';
import { NO_COST } from './cost.ts';
import type { Cost } from './exchange.ts';

/**
 * How a vendor says in its `usage` what a call costs: `usd` in `cost`, a number (OpenRouter, Vercel, Avian) or an object with
 * `total_cost` (Perplexity); `ticks` in `cost_in_usd_ticks`, of which 10¹⁰ are a dollar (xAI).
 */
export type StatedCost = 'usd' | 'ticks';

/** No call costs more. Nano-dollars. */
const MOST_NANO = 10_000e9;

function amount(value: Json | undefined, nanoPerUnit: number): number | undefined {
  if (typeof value !== 'number') return undefined;
  const nano = Math.round(value * nanoPerUnit);
  return nano >= 0 && nano <= MOST_NANO ? nano : undefined;
}

/** What a vendor's usage object says that the call costs, in nano-dollars; `undefined` where it says nothing one can believe. */
export function statedCost(usage: Json | undefined, how: StatedCost): number | undefined {
  if (!isObject(usage)) return undefined;
  if (how === 'ticks') return amount(usage['cost_in_usd_ticks'], 0.1);
  const { cost, cost_details: details } = usage;
  const total = amount(isObject(cost) ? cost['total_cost'] : cost, 1e9);
  if (total === undefined || usage['is_byok'] !== true || !isObject(details)) return total;
  // With one's own key the vendor takes its fee, and the maker of the model the rest.
  return total + (amount(details['upstream_inference_cost'], 1e9) ?? 0);
}

const CLASSES = (Object.keys(NO_COST) as (keyof Cost)[]).filter((name) => name !== 'total');

/**
 * A stated total by class: as our price has it, and what the vendor takes besides (searches, fees) under `requests`; where it
 * takes less, every class in proportion, what is left by rounding under `requests`.
 */
export function splitStated(totalNano: number, priced: Cost | undefined): Cost {
  const known = priced ?? NO_COST;
  const cost = { ...known, total: totalNano };
  if (totalNano < known.total) {
    for (const name of CLASSES) cost[name] = Math.floor(known[name] * (totalNano / known.total));
  }
  const named = CLASSES.reduce((sum, name) => sum + cost[name], 0);
  cost.requests += totalNano - named;
  return cost;
}
