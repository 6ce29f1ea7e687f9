import type { Finish, FinishReason, Json } from '../../core/model/index.ts';

/** `done_reason` words. `load` and `unload` answer a request without messages. */
const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  load: 'stop',
  unload: 'stop',
};

/**
 * Reads a done reason. Ollama says `stop` behind tool calls too: the tool stop follows from `calls` (WIRE
 * §2.2).
 */
export function decodeFinish(word: Json | undefined, calls: boolean): Finish {
  const raw = typeof word === 'string' ? word : undefined;
  let reason: FinishReason = raw === undefined ? 'unknown' : (REASONS[raw] ?? 'unknown');
  if (calls && reason !== 'length') reason = 'tool_calls';
  return { reason, ...(raw === undefined ? {} : { raw }) };
}

/** The word for a finish. */
export function encodeFinish(finish: Finish): string {
  if (finish.raw !== undefined && REASONS[finish.raw] === finish.reason) return finish.raw;
  return finish.reason === 'length' ? 'length' : 'stop';
}
