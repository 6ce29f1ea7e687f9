import type { Effort, ModelProfile, ReasoningControl } from '../../model/index.ts';

/** What a model can do, by its name in the spelling of `familyName`. The first rule that fits holds. */
export interface FamilyRule {
  readonly match: RegExp;
  readonly profile: ModelProfile;
}

export const NO_REASONING: ReasoningControl = { kind: 'none' };
export const FIXED_REASONING: ReasoningControl = { kind: 'fixed' };

/** Reasoning by named level, with the vendor's default where it is documented. */
export function effort(levels: readonly Effort[], byDefault?: Effort): ReasoningControl {
  return byDefault === undefined
    ? { kind: 'effort', levels }
    : { kind: 'effort', levels, default: byDefault };
}

/** A rule whose unnamed properties are a text-only chat model's with tools and JSON Schema output. */
export function family(
  match: RegExp,
  name: string,
  properties: Partial<Omit<ModelProfile, 'family'>>,
): FamilyRule {
  return {
    match,
    profile: {
      family: name,
      input: ['text'],
      tools: true,
      structuredOutput: 'json_schema',
      reasoning: NO_REASONING,
      refuses: [],
      ...properties,
    },
  };
}
