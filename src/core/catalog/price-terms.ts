import type { PriceFactor, PriceTerms } from '../cost/price.ts';

/** What a vendor's service tiers, speeds and places do to the price of models; the first rule that fits a name holds. */
export interface TermsRule {
  /** On a name in the spelling of `familyName`. */
  readonly match: RegExp;
  readonly terms: PriceTerms;
}

const HALF: PriceFactor = [1, 2];
const DOUBLE: PriceFactor = [2, 1];

/** OpenAI's tiers: `fast` is the newer word for `priority`; flex is sold at the Batch API's rates; ultrafast at six times. */
const openai = (fast: PriceFactor): PriceTerms => ({
  flex: HALF,
  batch: HALF,
  priority: fast,
  fast,
  ultrafast: [6, 1],
});

/**
 * Ratios of OpenAI's price tables ("Fast mode", before July 2026 "Priority processing") to its standard ones: 12.50 to 5 for
 * gpt-5.5, 0.45 to 0.25 for gpt-5-mini, 3.50 to 2 for gpt-4.1 and o3, 4.25 to 2.50 for gpt-4o, 0.25 to 0.15 for gpt-4o-mini,
 * 2 to 1.10 for o4-mini; twice for all others. Cached input and output stand in the same ratio.
 */
const OPENAI: readonly TermsRule[] = [
  { match: /^gpt-5-5(?!\d)/, terms: openai([5, 2]) },
  { match: /^gpt-5-mini/, terms: openai([9, 5]) },
  { match: /^gpt-4-1-nano/, terms: openai(DOUBLE) },
  { match: /^(?:gpt-4-1|gpt-4o-2024-05-13|o3)(?!\d)/, terms: openai([7, 4]) },
  { match: /^gpt-4o-mini/, terms: openai([5, 3]) },
  { match: /^gpt-4o/, terms: openai([17, 10]) },
  { match: /^o4-mini/, terms: openai([20, 11]) },
  { match: /^/, terms: openai(DOUBLE) },
];

/**
 * Anthropic's fast mode ("Fast mode", pricing): six times for Opus 4.6 and 4.7, twice since; `inference_geo: us` a tenth more
 * ("Data residency"); batches half.
 */
const anthropic = (fast: PriceFactor): PriceTerms => ({ fast, us: [11, 10], batch: HALF });

const ANTHROPIC: readonly TermsRule[] = [
  { match: /^claude-opus-4-[67](?!\d)/, terms: anthropic([6, 1]) },
  { match: /^claude/, terms: anthropic(DOUBLE) },
];

/** Gemini's tiers: flex is half, priority 80 % more (Google says 75 to 100; the price tables of its Flash and Pro models, 80). */
const GEMINI: readonly TermsRule[] = [
  { match: /^gemini/, terms: { flex: HALF, batch: HALF, priority: [9, 5] } },
];

/** Bedrock's tiers ("Service tiers", which names no figures): flex is half, priority 75 % more, as its price list had it at their start. */
const BEDROCK: readonly TermsRule[] = [{ match: /^/, terms: { flex: HALF, priority: [7, 4] } }];

/** By catalog provider. */
export const PRICE_TERMS: Readonly<Record<string, readonly TermsRule[]>> = {
  openai: OPENAI,
  azure: [...ANTHROPIC, ...OPENAI],
  anthropic: ANTHROPIC,
  google: [...GEMINI, ...ANTHROPIC],
  aws: BEDROCK,
};
