import type { PriceSnapshot } from '../core/cost/price.ts';
import { dearerTerms } from '../core/cost/terms.ts';
import { type JsonObject, termsIn } from '../core/model/index.ts';
import type { Exchange } from './exchange.ts';

/**
 * The terms a request asks for that make it dearer at this price. They hold until its answer says otherwise; what a vendor's own
 * default is, nobody can know here. None where the request could not be read.
 */
export function askedTerms(exchange: Exchange, { price }: PriceSnapshot): readonly string[] {
  const { body } = exchange as Exchange & { readonly body?: JsonObject };
  if (price.terms === undefined || body === undefined) return NONE;
  const { service_tier, serviceTier, speed, inference_geo } = body;
  const words = termsIn([service_tier, serviceTier, speed, inference_geo]);
  return words === undefined ? NONE : dearerTerms(price.terms, words);
}

const NONE: readonly string[] = Object.freeze([]);
