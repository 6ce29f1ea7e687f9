import type { JsonObject, Usage } from '../../core/model/index.ts';
import { tokenCount } from '../token-count.ts';

/**
 * Reads the counts of a last line or whole answer; `undefined` if it has none. A fully cached prompt is left
 * out by Ollama (WIRE §1.1): then the prompt counts zero, which is a report, not an unknown.
 */
export function decodeUsage(body: JsonObject): Usage | undefined {
  const input = tokenCount(body['prompt_eval_count']);
  const output = tokenCount(body['eval_count']);
  if (input === undefined && output === undefined) return undefined;
  const raw: JsonObject = {};
  if (input !== undefined) raw['prompt_eval_count'] = input;
  if (output !== undefined) raw['eval_count'] = output;
  return {
    input: input ?? 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: output ?? 0,
    reasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
    raw,
  };
}

/** The two counts Ollama has; none if nothing is known. */
export function encodeUsage(usage: Usage): JsonObject {
  if (usage.source === 'unknown') return {};
  const cached = usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    prompt_eval_count: usage.input + cached + usage.audioInput,
    eval_count: usage.output + usage.audioOutput,
  };
}
