import { worstCase } from '../../cost/cost.ts';
import { DEFAULT_OUTPUT_TOKENS } from '../../cost/estimate.ts';
import type { Candidate, Exclusion, PriceCap, RouterPlan, Situation } from './types.ts';

type Check = (candidate: Candidate, situation: Situation) => Exclusion | undefined;

const because = (kind: Exclusion['kind'], says: string): Exclusion => ({ kind, says });

const capable: Check = (candidate, situation) => {
  if (situation.tools.length > 0 && !candidate.tools) return because('capability', 'takes no tools');
  if (situation.images > 0 && !candidate.vision) return because('capability', 'takes no images');
  if (situation.output === 'json_schema' && candidate.structuredOutput !== 'json_schema')
    return because('capability', 'keeps to no JSON schema');
  if (situation.output === 'json_object' && candidate.structuredOutput === 'none')
    return because('capability', 'has no JSON mode');
  if (situation.reasoning && !candidate.reasoning) return because('capability', 'cannot be told to reason');
  const refused = situation.parameters?.find((name) => candidate.refuses.includes(name));
  return refused === undefined ? undefined : because('demand', `refuses \`${refused}\``);
};

const fits: Check = (candidate, { tokens, maxOutputTokens }) => {
  const { contextTokens, maxOutputTokens: most } = candidate;
  if (contextTokens !== undefined && tokens > contextTokens)
    return because('size', 'has too small a context window');
  if (most !== undefined && maxOutputTokens !== undefined && maxOutputTokens > most)
    return because('size', 'cannot answer that long');
  return undefined;
};

const permitted: Check = (candidate, situation) => {
  const { model, regions, providers } = candidate;
  if (situation.forbidden.includes(model)) return because('policy', 'is not allowed for this key');
  const { regions: bound, onlyProviders: only, ignoreProviders: ignored } = situation;
  if (bound !== undefined && !regions.some((region) => bound.includes(region)))
    return because('policy', 'is in no region allowed');
  if (only !== undefined && !providers.some((name) => only.includes(name)))
    return because('demand', 'is at no provider wanted');
  if (ignored !== undefined && providers.every((name) => ignored.includes(name)))
    return because('demand', 'is only at providers not wanted');
  return undefined;
};

function overCap(candidate: Candidate, cap: PriceCap | undefined, costNano: number | undefined): boolean {
  if (cap === undefined) return false;
  const { price } = candidate;
  // What nobody can price is not known to be within a limit.
  if (price === undefined) return true;
  return (
    price.input > (cap.input ?? Number.POSITIVE_INFINITY) ||
    price.output > (cap.output ?? Number.POSITIVE_INFINITY) ||
    (costNano ?? 0) > (cap.requestNano ?? Number.POSITIVE_INFINITY)
  );
}

/** The most this request can cost at a candidate, nano-dollars; `undefined` without a price. */
export function worstCost(candidate: Candidate, situation: Situation): number | undefined {
  if (candidate.price === undefined) return undefined;
  return worstCase(candidate.price, {
    // Twice the estimate, as holds are made.
    inputTokens: situation.tokens * 2,
    maxOutputTokens: situation.maxOutputTokens ?? candidate.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS,
    choices: 1,
    audio: false,
  });
}

/** Why a candidate cannot serve this request: allow-lists, residency, capabilities, size, price, budget, health. */
export function excluded(
  plan: RouterPlan,
  candidate: Candidate,
  situation: Situation,
): Exclusion | undefined {
  const why = permitted(candidate, situation) ?? capable(candidate, situation) ?? fits(candidate, situation);
  if (why !== undefined) return why;
  const { budgetLeftNano, maxPrice } = situation;
  const priced = plan.maxPrice !== undefined || maxPrice !== undefined || budgetLeftNano !== undefined;
  const worst = priced ? worstCost(candidate, situation) : undefined;
  if (overCap(candidate, maxPrice, worst)) return because('demand', 'costs more than asked for');
  if (overCap(candidate, plan.maxPrice, worst))
    return because('price', 'costs more than the router may spend');
  if (budgetLeftNano !== undefined && (worst ?? Number.POSITIVE_INFINITY) > budgetLeftNano) {
    return because('budget', 'could cost more than the budget has left');
  }
  return situation.down.includes(candidate.model) ? because('health', 'is out of order now') : undefined;
}
