import type { PlanName } from '../cost/exchange.ts';

/** Facts the plan is made from. */
export interface PlanFacts {
  readonly sameFormat: boolean;
  /** The upstream's name of the model equals the name in the body. */
  readonly sameModel: boolean;
  /** A field must be added or changed besides `model` (for example `stream_options`). */
  readonly needsPatch: boolean;
  /** Something reads or edits content: guardrails, an enforced system prompt, a cascade. */
  readonly needsContent: boolean;
  /** The provider's answers are not strict enough for clients of its own format. */
  readonly needsRepair: boolean;
}

/**
 * Decides how much of an exchange is parsed (DESIGN §3): `bytes` forwards the client's buffer, `patched` changes top-level
 * fields in place, `canonical` decodes, edits and encodes.
 */
export function choosePlan(facts: PlanFacts): PlanName {
  if (!facts.sameFormat || facts.needsContent || facts.needsRepair) return 'canonical';
  return facts.sameModel && !facts.needsPatch ? 'bytes' : 'patched';
}
