import type { PriceSnapshot } from '../core/cost/price.ts';
import { dearerTerms } from '../core/cost/terms.ts';
import { asBuffer } from '../formats/bytes.ts';
import type { Exchange } from './exchange.ts';

/** Where the dialects ask for a service tier, a speed or a place. */
const NAMES = ['"service_tier"', '"serviceTier"', '"speed"', '"inference_geo"'] as const;
const ASKED =
  /"(?:service_tier|serviceTier|speed|inference_geo)"\s*:\s*(?:\{\s*"type"\s*:\s*)?"([A-Za-z_]{1,32})"/g;

/**
 * The terms a request asks for that make it dearer at this price, by its bytes alone. They hold until its answer says
 * otherwise; what a vendor's own default is, nobody can know here.
 */
export function askedTerms({ raw }: Pick<Exchange, 'raw'>, { price }: PriceSnapshot): readonly string[] {
  if (price.terms === undefined) return NONE;
  const bytes = asBuffer(raw);
  if (!NAMES.some((name) => bytes.includes(name))) return NONE;
  const words = [...bytes.toString('latin1').matchAll(ASKED)].map(([, word = '']) =>
    word.toLowerCase().replace(/^service_tier_/, ''),
  );
  return dearerTerms(price.terms, [...new Set(words)]);
}

const NONE: readonly string[] = Object.freeze([]);
