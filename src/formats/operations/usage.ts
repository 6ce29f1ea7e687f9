import { estimateTokens } from '../../core/cost/estimate.ts';
import {
  isObject,
  type Json,
  type JsonObject,
  UNKNOWN_USAGE,
  type Usage,
  underTerms,
} from '../../core/model/index.ts';
import { decodeUsage as anthropicUsage, mergeUsage } from '../anthropic-messages/usage.ts';
import { decodeUsage as cohereUsage } from '../cohere/usage.ts';
import { decodeUsage as geminiUsage, isUsage as isGeminiUsage } from '../gemini/usage.ts';
import { decodeUsage as chatUsage } from '../openai-chat/usage.ts';
import { decodeUsage as responsesUsage } from '../openai-responses/usage.ts';
import { measure } from '../token-count.ts';

/** OpenAI bills heard audio in tokens of 100 ms (its guide "Realtime costs", "Audio tokens"). */
const AUDIO_TOKENS_PER_SECOND = 10;

function count(holder: Json | undefined, ...keys: readonly string[]): number | undefined {
  if (!isObject(holder)) return undefined;
  for (const key of keys) {
    const value = measure(holder[key]);
    if (value !== undefined) return Math.round(value);
  }
  return undefined;
}

/** Usage of a prompt alone. */
export function inputUsage(input: number, source: 'reported' | 'estimated', raw?: Json): Usage {
  return { ...UNKNOWN_USAGE, input, source, ...(raw === undefined ? {} : { raw }) };
}

/** Usage estimated from a prompt's text. */
export function estimatedInput(texts: readonly string[]): Usage {
  let tokens = 0;
  for (const text of texts) tokens += estimateTokens(text);
  return inputUsage(tokens, 'estimated');
}

/**
 * Sound of this many seconds. By whom it is told decides how it is billed: the seconds themselves, or tokens of 100 ms where
 * the price is by the token, which is an estimate.
 */
export function heardFor(seconds: number, source: 'reported' | 'estimated', raw: Json): Usage {
  const audioInput = Math.ceil(seconds * AUDIO_TOKENS_PER_SECOND);
  return { ...UNKNOWN_USAGE, audioInput, audioSeconds: Math.ceil(seconds), source, raw };
}

/** `input_tokens` and `output_tokens` with audio apart: OpenAI's images and transcriptions. */
function mediaUsage(raw: JsonObject): Usage {
  const heard = count(raw['input_token_details'] ?? raw['input_tokens_details'], 'audio_tokens') ?? 0;
  const usage = responsesUsage(raw);
  const audioInput = Math.min(heard, usage.input);
  return { ...usage, input: usage.input - audioInput, audioInput };
}

/** OpenAI's `usage` of whatever endpoint, Anthropic's and Cohere's. */
function fromUsage(raw: JsonObject): Usage | undefined {
  const chat = chatUsage(raw, {});
  if (chat !== undefined) return chat;
  if ('cache_creation_input_tokens' in raw || 'cache_read_input_tokens' in raw) return anthropicUsage(raw);
  if (count(raw, 'input_tokens') !== undefined) return mediaUsage(raw);
  if (raw['type'] === 'duration') {
    const seconds = measure(raw['seconds']);
    return seconds === undefined ? undefined : heardFor(seconds, 'reported', raw);
  }
  const converse = count(raw, 'inputTokens');
  if (converse !== undefined) {
    return {
      ...UNKNOWN_USAGE,
      input: converse,
      output: count(raw, 'outputTokens') ?? 0,
      cacheRead: count(raw, 'cacheReadInputTokens') ?? 0,
      cacheWrite5m: count(raw, 'cacheWriteInputTokens') ?? 0,
      source: 'reported',
      raw,
    };
  }
  const total = count(raw, 'total_tokens');
  return total === undefined ? cohereUsage(raw) : inputUsage(total, 'reported', raw);
}

/**
 * The usage that a JSON answer or stream event of any known format reports, or `undefined`: OpenAI's `usage`, also inside
 * `response`; Anthropic's, also inside `message`; Gemini's `usageMetadata`; Cohere's `meta`; Ollama's counts.
 */
export function reportedUsage(body: JsonObject): Usage | undefined {
  for (const holder of [body, body['response'], body['message']]) {
    if (!isObject(holder)) continue;
    const raw = holder['usage'];
    const usage = isObject(raw) ? fromUsage(raw) : undefined;
    if (usage !== undefined && usage.source !== 'unknown')
      return underTerms(usage, holder['service_tier'] ?? holder['serviceTier']);
  }
  const google = body['usageMetadata'] ?? body['usage_metadata'];
  if (isGeminiUsage(google)) return geminiUsage(google);
  if (isObject(body['meta'])) return cohereUsage(body['meta']);
  const evaluated = count(body, 'prompt_eval_count');
  const made = count(body, 'eval_count');
  if (evaluated === undefined && made === undefined) return undefined;
  return { ...UNKNOWN_USAGE, input: evaluated ?? 0, output: made ?? 0, source: 'reported' };
}

/** Gathers usage over the events of a stream whose format is not known beforehand. */
export class UsageWatcher {
  usage: Usage | undefined;
  #anthropic: JsonObject | undefined;

  observe(event: JsonObject): void {
    // Anthropic reports in two pieces, of which the second repeats only what changed.
    const start = isObject(event['message']) ? event['message']['usage'] : undefined;
    if (event['type'] === 'message_start' || event['type'] === 'message_delta') {
      this.#anthropic = mergeUsage(this.#anthropic, start ?? event['usage']);
      const usage = anthropicUsage(this.#anthropic);
      if (usage.source !== 'unknown') this.usage = usage;
      return;
    }
    this.usage = reportedUsage(event) ?? this.usage;
  }
}
