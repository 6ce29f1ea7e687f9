import {
  addUsage,
  type HelperUsage,
  isObject,
  type Json,
  type JsonObject,
  UNKNOWN_USAGE,
  type Usage,
  underTerms,
} from '../../core/model/index.ts';
import { tokenCount } from '../token-count.ts';

function nested(usage: JsonObject, key: string, field: string): number | undefined {
  const inner = usage[key];
  return isObject(inner) ? tokenCount(inner[field]) : undefined;
}

/** The counts of one usage object or of one entry of `iterations`. */
function countsOf(raw: JsonObject): Usage {
  const input = tokenCount(raw['input_tokens']);
  const output = tokenCount(raw['output_tokens']);
  if (input === undefined && output === undefined) return UNKNOWN_USAGE;
  const hour = nested(raw, 'cache_creation', 'ephemeral_1h_input_tokens') ?? 0;
  const short = nested(raw, 'cache_creation', 'ephemeral_5m_input_tokens') ?? 0;
  const written = tokenCount(raw['cache_creation_input_tokens']) ?? hour + short;
  const webSearches = nested(raw, 'server_tool_use', 'web_search_requests') ?? 0;
  return {
    input: input ?? 0,
    cacheRead: tokenCount(raw['cache_read_input_tokens']) ?? 0,
    cacheWrite5m: written - Math.min(hour, written),
    cacheWrite1h: Math.min(hour, written),
    output: output ?? 0,
    reasoning: nested(raw, 'output_tokens_details', 'thinking_tokens') ?? 0,
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    ...(webSearches === 0 ? {} : { webSearches }),
    source: 'reported',
    raw,
  };
}

/** Entries of `iterations` that the model made besides its answer and that the top-level counts leave out. */
function isOutside(entry: JsonObject): boolean {
  return entry['type'] === 'compaction';
}

function modelOf(entry: JsonObject): string | undefined {
  return typeof entry['model'] === 'string' ? entry['model'] : undefined;
}

function helperOf(entry: JsonObject): HelperUsage | undefined {
  const usage = countsOf(entry);
  const model = modelOf(entry);
  if (usage.source === 'unknown') return undefined;
  return model === undefined ? { usage } : { model, usage };
}

/** The entry of the model whose answer it is, where the vendor had more than one try to answer. */
function servingEntry(tries: readonly JsonObject[]): JsonObject | undefined {
  const served = tries.findLast((entry) => entry['type'] === 'fallback_message');
  if (served !== undefined) return served;
  const names = new Set(tries.map(modelOf));
  names.delete(undefined);
  return names.size < 2 ? undefined : tries.findLast((entry) => modelOf(entry) !== undefined);
}

/** What `iterations` tells of other models than the called one. */
function helpersOf(iterations: readonly JsonObject[]): Pick<Usage, 'helpers' | 'servedBy'> {
  const advice = iterations.filter((entry) => entry['type'] === 'advisor_message');
  const tries = iterations.filter(({ type }) => type === 'message' || type === 'fallback_message');
  const served = servingEntry(tries);
  const servedBy = served === undefined ? undefined : modelOf(served);
  const declined =
    served === undefined
      ? []
      : tries.filter(
          (entry) => entry !== served && modelOf(entry) !== servedBy && countsOf(entry).output > 0,
        );
  const helpers = [...advice, ...declined].flatMap((entry) => helperOf(entry) ?? []);
  return {
    ...(helpers.length === 0 ? {} : { helpers }),
    ...(servedBy === undefined ? {} : { servedBy }),
  };
}

/**
 * Reads Anthropic's `usage`: `input_tokens` is without cache reads and writes, the classes are disjoint already (WIRE
 * §1.1). A cache-write total without its split counts as five-minute writes, the default lifetime. What compaction took
 * is billed at the same rates and stands in `iterations` only (official SDK, `BetaIterationsUsage`).
 *
 * So does what other models took, each billed at its own rates: an advisor in entries `advisor_message` (Anthropic, "Advisor
 * tool", "Usage and billing"), and with server-side `fallbacks` every model that was tried (Anthropic, "Refusals and
 * fallback", "Billing"; official SDK, `BetaFallbackMessageIterationUsage`). Of those the top-level counts are only what the
 * one took that served the answer, the entry `fallback_message`; entries `message` of other models are tries that were
 * declined: billed, unless before any output. An entry there that names no model counts as one of the called model's, so
 * that nothing is missed. If all of them declined there is no `fallback_message`, and the last one's refusal is the answer.
 */
export function decodeUsage(raw: Json | undefined): Usage {
  if (!isObject(raw)) return UNKNOWN_USAGE;
  return underTerms(withIterations(raw), raw['service_tier'], raw['speed'], raw['inference_geo']);
}

function withIterations(raw: JsonObject): Usage {
  const counts = countsOf(raw);
  if (!Array.isArray(raw['iterations']) || counts.source === 'unknown') return counts;
  const iterations = raw['iterations'].filter(isObject);
  const outside = iterations.filter(isOutside);
  const own = outside.length === 0 ? counts : { ...outside.map(countsOf).reduce(addUsage, counts), raw };
  return { ...own, ...helpersOf(iterations) };
}

/**
 * Adds a later usage object of a stream to an earlier one: counts are cumulative, so the last value of each field wins;
 * `null` overwrites nothing.
 */
export function mergeUsage(before: JsonObject | undefined, later: Json | undefined): JsonObject | undefined {
  if (!isObject(later)) return before;
  const merged: JsonObject = { ...before };
  for (const key of Object.keys(later)) {
    if (later[key] !== null && later[key] !== undefined) merged[key] = later[key];
  }
  return merged;
}

/** Whether a vendor's usage object is Anthropic's own: OpenAI's, which shares names, always has a total. */
function isOurs(raw: Json | undefined, usage: Usage): raw is JsonObject {
  if (!isObject(raw) || 'total_tokens' in raw || 'totalTokens' in raw) return false;
  return 'output_tokens' in raw && decodeUsage(raw).input === usage.input;
}

/** `service_tier` as Anthropic answers it. */
function tierWord(tier: string | undefined): string | undefined {
  if (tier === 'default' || tier === 'standard') return 'standard';
  return tier === 'priority' || tier === 'batch' ? tier : undefined;
}

/** Writes `usage`; fields of Anthropic's own object that have no class here (server tool counts, tier) are kept. */
export function encodeUsage(told: Usage, serviceTier?: string): JsonObject {
  const kept = isOurs(told.raw, told) ? told.raw : undefined;
  const usage = kept === undefined ? told : countsOf(kept);
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  const tier = tierWord(serviceTier);
  return {
    ...kept,
    input_tokens: usage.input + usage.audioInput,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: usage.cacheRead,
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite5m,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    output_tokens: usage.output + usage.audioOutput,
    ...(usage.reasoning > 0 || kept?.['output_tokens_details'] !== undefined
      ? { output_tokens_details: { thinking_tokens: usage.reasoning } }
      : {}),
    ...(tier !== undefined && kept?.['service_tier'] === undefined ? { service_tier: tier } : {}),
  };
}

/** The tier of an answer in canonical words (OpenAI's), from `usage.service_tier`. */
export function decodeTier(raw: Json | undefined): string | undefined {
  const tier = isObject(raw) ? raw['service_tier'] : undefined;
  if (typeof tier !== 'string') return undefined;
  return tier === 'standard' ? 'default' : tier;
}
