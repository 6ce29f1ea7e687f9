import { estimateTokens, reserveTokens } from '../core/cost/estimate.ts';
import type { ChatRequest, Part } from '../core/model/index.ts';
import { asBuffer } from '../formats/bytes.ts';
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

/** Searches of the web that are set aside for where a request lets the vendor search and names no limit. */
const USUAL_SEARCHES = 10;
const SEARCH_TOOL = 'web_search';
const SEARCH_LIMIT = /"(?:max_uses|max_tool_calls)"\s*:\s*(\d{1,4})(?!\d)/g;

/** How often the vendor may search the web for a request, at most; 0 where it has no such tool. */
export function searchReach({ raw, envelope }: Pick<Exchange, 'raw' | 'envelope'>): number {
  if (envelope.tools === 0) return 0;
  const bytes = asBuffer(raw);
  if (!bytes.includes(SEARCH_TOOL)) return 0;
  const limits = [...bytes.toString('latin1').matchAll(SEARCH_LIMIT)].map(([, limit]) => Number(limit));
  return limits.length === 0 ? USUAL_SEARCHES : Math.max(...limits);
}

/** Tokens a chat template adds around each message, as vendors' counters do. */
const MESSAGE_TOKENS = 4;

function partTokens(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return estimateTokens(part.text);
    case 'tool_call':
      return estimateTokens(part.name) + estimateTokens(part.arguments);
    case 'tool_result':
      return part.content.reduce((sum, inner) => sum + partTokens(inner), 0);
    case 'opaque':
      return estimateTokens(JSON.stringify(part.value));
    default:
      return part.source.kind === 'text' ? estimateTokens(part.source.text) : MEDIA_TOKENS / 3;
  }
}

/** The likely tokens of a decoded request, for bills where the upstream did not say. Reads every text. */
export function estimateRequest({ messages, tools }: ChatRequest): number {
  let tokens = 0;
  for (const tool of tools) tokens += estimateTokens(JSON.stringify(tool));
  for (const { parts } of messages) {
    tokens += MESSAGE_TOKENS;
    for (const part of parts) tokens += partTokens(part);
  }
  return tokens;
}
