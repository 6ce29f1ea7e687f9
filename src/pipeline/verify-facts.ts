import type { EscalationCause } from '../core/routing/decision/types.ts';
import type { VerifyFacts } from '../core/routing/decision/verify.ts';
import type { Routed } from './exchange.ts';
import { readPrompt } from './prompt-view.ts';

/** Word problems hold at least this many numbers; the verifier has learned from nothing else. */
const LEAST_NUMBERS = 2;

/** The learned verifier of answers, for the prompts it has learned from. */
function doubtOf(exchange: Routed): Pick<VerifyFacts, 'doubt'> {
  const scorer = exchange.runtime.routing?.scorer;
  const task = exchange.facts.routing?.situation.score?.task;
  if (scorer?.doubt === undefined || task !== 'reasoning') return {};
  const { text } = readPrompt(exchange.body);
  if ((text.match(/\d+/g)?.length ?? 0) < LEAST_NUMBERS) return {};
  return { doubt: (answer) => scorer.doubt?.(text, answer) ?? 0 };
}

/** What an answer to this request is judged by; `undefined` where the request does not decode. */
export function verifyFacts(exchange: Routed, causes: readonly EscalationCause[]): VerifyFacts | undefined {
  try {
    const { output, tools } = exchange.decoded();
    return {
      output: output.type,
      schema: output.type === 'json_schema' ? output.schema : undefined,
      tools: tools.filter((tool) => tool.type === 'function'),
      causes,
      ...doubtOf(exchange),
    };
  } catch {
    // What does not decode was forwarded as it is; nobody can say what it asked for.
    return undefined;
  }
}
