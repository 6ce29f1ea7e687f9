import { reserveTokens } from '../core/cost/estimate.ts';
import type { Exchange } from './exchange.ts';

/** Tokens set aside per image, document or audio clip, on top of a share of its bytes. */
const MEDIA_TOKENS = 3000;
/** Base64 bytes of media per token; text-heavy PDFs stay below, images far below. */
const MEDIA_BYTES_PER_TOKEN = 20;

/**
 * An upper estimate of the prompt's tokens from its size alone, because counting would read every byte on the hot path.
 * Two bytes to a token for text (`reserveTokens`); prompts with media are estimated by their media.
 */
export function promptEstimate(exchange: Pick<Exchange, 'raw' | 'envelope'>): number {
  const { media, promptTokens } = exchange.envelope;
  if (promptTokens !== undefined) return promptTokens;
  if (media === 0) return reserveTokens(exchange.raw.length);
  const byMedia = Math.ceil(exchange.raw.length / MEDIA_BYTES_PER_TOKEN) + media * MEDIA_TOKENS;
  return Math.min(reserveTokens(exchange.raw.length), byMedia);
}
