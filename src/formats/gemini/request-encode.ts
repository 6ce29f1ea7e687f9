import { unsupported } from '../../core/errors/error.ts';
import { type ChatRequest, FORMATS, type JsonObject } from '../../core/model/index.ts';
import type { EncodedRequest, Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { encodeConfig } from './config-encode.ts';
import { encodeMessages } from './message-encode.ts';
import { Notes } from './notes.ts';
import { encodeTools } from './tool-encode.ts';

/** Fields of our own extension that are woven into other fields. */
const WOVEN = new Set(['generationConfig', 'toolConfig']);

/** Service tiers of other vendors in Google's words; what is not here is not sent (WIRE §2.1 "tier"). */
const TIERS: Readonly<Record<string, string>> = {
  default: 'standard',
  standard: 'standard',
  standard_only: 'standard',
  flex: 'flex',
  priority: 'priority',
  fast: 'priority',
};

function serviceTier(request: ChatRequest, notes: Notes): string | undefined {
  const { serviceTier: tier } = request;
  if (tier === undefined || tier === 'auto') return undefined;
  const word = TIERS[tier.toLowerCase()];
  notes.when(word === undefined, 'service_tier');
  return word;
}

/** Vertex labels: lower-case keys and values of at most 63 characters (Google Cloud "Labels requirements"). */
function labels(request: ChatRequest, target: Target, notes: Notes): JsonObject | undefined {
  const entries = Object.entries(request.metadata ?? {});
  if (entries.length === 0) return undefined;
  const lawful = entries.every(
    ([key, value]) =>
      /^\p{Ll}[\p{Ll}\p{N}_-]{0,62}$/u.test(key) &&
      typeof value === 'string' &&
      /^[\p{Ll}\p{N}_-]{0,63}$/u.test(value),
  );
  if (target.quirks.geminiSurface === 'vertex' && lawful) return request.metadata;
  notes.add('metadata');
  return undefined;
}

function noteRest(request: ChatRequest, target: Target, notes: Notes): void {
  notes.when(request.user !== undefined, 'user');
  notes.when(request.verbosity !== undefined, 'verbosity');
  notes.when(request.promptCacheKey !== undefined, 'prompt_cache_key');
  notes.when(request.store !== undefined && target.quirks.geminiSurface === 'vertex', 'store');
  for (const format of FORMATS) {
    if (format === 'gemini') continue;
    notes.add(...Object.keys(request.extensions?.[format] ?? {}));
  }
}

function checkPrefill(request: ChatRequest, target: Target): void {
  if (request.messages.at(-1)?.role !== 'assistant' || !target.profile.refuses.includes('prefill')) return;
  throw unsupported(
    'messages',
    'This model does not continue an assistant message; end with a user message.',
  );
}

/**
 * See `ChatCodec.encodeRequest`. The body is the same for whole and streamed answers: the path says which,
 * and the model stands there too.
 */
export function encodeRequest(request: ChatRequest, target: Target): EncodedRequest {
  if (request.previousResponseId !== undefined) {
    throw unsupported(
      'previous_response_id',
      'This provider keeps no conversations; send the whole history.',
    );
  }
  checkPrefill(request, target);
  const notes = new Notes();
  const extra = Object.entries(request.extensions?.gemini ?? {}).filter(([key]) => !WOVEN.has(key));
  const body = compact({
    ...Object.fromEntries(extra),
    ...encodeMessages(request, target, notes),
    ...encodeTools(request, target, notes),
    generationConfig: encodeConfig(request, target, notes),
    serviceTier: serviceTier(request, notes),
    labels: labels(request, target, notes),
    store: target.quirks.geminiSurface === 'vertex' ? undefined : request.store,
  });
  noteRest(request, target, notes);
  for (const field of target.quirks.refusedFields ?? []) {
    if (body[field] === undefined) continue;
    delete body[field];
    notes.add(field);
  }
  return { body, dropped: notes.list };
}
