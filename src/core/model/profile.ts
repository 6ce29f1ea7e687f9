import type { Effort } from './request.ts';

/** What kind of content a model takes or gives. */
export type Modality = 'text' | 'image' | 'document' | 'audio' | 'video';

/** How a model family is told to think; facts in `../shared/WIRE.md` §2.1 "reasoning control". */
export type ReasoningControl =
  | { readonly kind: 'none' }
  /** Thinks always or by its own choice, with no control. */
  | { readonly kind: 'fixed' }
  /** A level by name: OpenAI `reasoning_effort`, Gemini 3 `thinkingLevel`. */
  | { readonly kind: 'effort'; readonly levels: readonly Effort[]; readonly default?: Effort }
  /** A token budget: Claude up to Opus 4.6, Gemini 2.5. */
  | { readonly kind: 'budget'; readonly min: number; readonly max: number; readonly canDisable: boolean }
  /** Anthropic `thinking: {type: adaptive}` with `output_config.effort`. */
  | {
      readonly kind: 'adaptive';
      readonly levels: readonly Effort[];
      readonly acceptsBudget: boolean;
      /** Answers `thinking: {type: disabled}` with a 400 (Fable, Opus 5.5, Sonnet 5.5): least effort is all there is. */
      readonly alwaysOn?: boolean;
    };

/** A request parameter that some models refuse. */
export type Parameter =
  | 'temperature'
  | 'top_p'
  | 'top_k'
  | 'seed'
  | 'frequency_penalty'
  | 'presence_penalty'
  | 'logit_bias'
  | 'logprobs'
  | 'stop'
  | 'n'
  | 'parallel_tool_calls'
  | 'prefill'
  | 'max_tokens';

/** What a model can do, from the catalog; encoders consult it, never the model's name. */
export interface ModelProfile {
  /** Signature-compatible family: `claude`, `gpt`, `gemini`, `deepseek`, … */
  readonly family: string;
  readonly contextTokens?: number;
  readonly maxOutputTokens?: number;
  readonly input: readonly Modality[];
  readonly tools: boolean;
  readonly structuredOutput: 'json_schema' | 'json_object' | 'none';
  readonly reasoning: ReasoningControl;
  /** Parameters the model answers with a 400. */
  readonly refuses: readonly Parameter[];
  /** Those it answers with a 400 only while it thinks (gpt-5.1 and later, which do not think unless told to). */
  readonly refusesThinking?: readonly Parameter[];
  /** Tools together with reasoning effort only work on the Responses API (gpt-5.4 and later). */
  readonly toolsNeedResponses?: boolean;
  /** Accepts `system` messages after the first turn. */
  readonly systemAnywhere?: boolean;
}

/** The profile of a model that will think: what it refuses meanwhile it refuses. */
export function thinkingProfile(profile: ModelProfile): ModelProfile {
  const { refuses, refusesThinking } = profile;
  return refusesThinking === undefined ? profile : { ...profile, refuses: [...refuses, ...refusesThinking] };
}

/** What is assumed of a model nobody described: everything is tried, nothing refused beforehand. */
export const OPEN_PROFILE: ModelProfile = {
  family: 'other',
  input: ['text', 'image', 'document', 'audio', 'video'] as const,
  tools: true,
  structuredOutput: 'json_schema',
  reasoning: { kind: 'effort', levels: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] },
  refuses: [],
};
