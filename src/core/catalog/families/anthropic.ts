import type { Effort, Modality, ModelProfile, Parameter } from '../../model/index.ts';
import { type FamilyRule, family } from './family.ts';

/*
 * Claude. Sources: Anthropic's model overview and pages "Effort", "Adaptive thinking", "Structured outputs", the
 * migration guides 4.6 to 5.5, and WIRE §2.1 and §3.1. Names come as `claude-<tier>-<version>`.
 */

const SEES: readonly Modality[] = ['text', 'image', 'document'];
const LATEST_REFUSES: readonly Parameter[] = ['temperature', 'top_p', 'top_k', 'prefill'];
const UP_TO_MAX: readonly Effort[] = ['low', 'medium', 'high', 'max'];
const ALL_LEVELS: readonly Effort[] = ['low', 'medium', 'high', 'xhigh', 'max'];

const claude = (match: RegExp, properties: Partial<ModelProfile>): FamilyRule =>
  family(match, 'claude', { contextTokens: 200_000, input: SEES, ...properties });

/** Thinking with a budget, which has to stay below the output limit. */
const budgeted = (
  match: RegExp,
  maxOutputTokens: number,
  properties: Partial<ModelProfile> = {},
): FamilyRule =>
  claude(match, {
    maxOutputTokens,
    reasoning: { kind: 'budget', min: 1024, max: maxOutputTokens - 1, canDisable: true },
    ...properties,
  });

/** Opus 4.7 and everything since: adaptive thinking only, no sampling parameters, no prefill. */
const adaptive = (match: RegExp, properties: Partial<ModelProfile> = {}): FamilyRule =>
  claude(match, {
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
    reasoning: { kind: 'adaptive', levels: ALL_LEVELS, acceptsBudget: false },
    refuses: LATEST_REFUSES,
    ...properties,
  });

const ALWAYS_ON: Partial<ModelProfile> = {
  reasoning: { kind: 'adaptive', levels: ALL_LEVELS, acceptsBudget: false, alwaysOn: true },
};

export const ANTHROPIC_FAMILIES: readonly FamilyRule[] = [
  claude(/^claude-(?:2|v2|v1|instant)/, {
    contextTokens: 100_000,
    maxOutputTokens: 4096,
    input: ['text'],
    tools: false,
    structuredOutput: 'none',
  }),
  claude(/^claude-(?:sonnet|haiku)-3-5/, { maxOutputTokens: 8192, structuredOutput: 'none' }),
  budgeted(/^claude-sonnet-3-7/, 64_000, { structuredOutput: 'none' }),
  claude(/^claude-(?:opus|sonnet|haiku)-3(?!\d)/, {
    maxOutputTokens: 4096,
    input: ['text', 'image'],
    structuredOutput: 'none',
  }),

  adaptive(/^claude-opus-4-[789](?!\d)/),
  claude(/^claude-opus-4-6(?!\d)/, {
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
    reasoning: { kind: 'adaptive', levels: UP_TO_MAX, acceptsBudget: true },
    refuses: ['prefill'],
  }),
  claude(/^claude-sonnet-4-6(?!\d)/, {
    contextTokens: 1_000_000,
    maxOutputTokens: 64_000,
    reasoning: { kind: 'adaptive', levels: UP_TO_MAX, acceptsBudget: true },
    refuses: ['prefill'],
  }),
  budgeted(/^claude-(?:opus|sonnet|haiku)-4-5(?!\d)/, 64_000),
  budgeted(/^claude-opus-4-1(?!\d)/, 32_000),
  budgeted(/^claude-opus-4(?!\d)/, 32_000, { structuredOutput: 'none' }),
  budgeted(/^claude-sonnet-4(?!\d)/, 64_000, { structuredOutput: 'none' }),

  // `disabled` still exists on these, but only with effort `high` or lower.
  adaptive(/^claude-haiku-5-5(?!\d)/, { systemAnywhere: true }),
  adaptive(/^claude-(?:opus|sonnet)-5(?!-5(?!\d))/),
  adaptive(/^claude-(?:fable|mythos)-5(?!-1(?!\d))/, ALWAYS_ON),
  adaptive(/^claude-(?:mythos-preview)/, ALWAYS_ON),
  // Fable 5.1, Opus 5.5, Sonnet 5.5, and whatever comes next.
  adaptive(/^claude-(?:opus|sonnet|haiku|fable|mythos)-\d/, { ...ALWAYS_ON, systemAnywhere: true }),
];
