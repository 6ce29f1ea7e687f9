import type { UpstreamFormat } from '../../core/model/index.ts';

/** A family of simulated models: its name decides the format spoken. */
export interface SimulatedFamily {
  readonly name: string;
  readonly format: UpstreamFormat;
}

/** The families, in the order in which a plain catch-all would try them. */
export const FAMILIES: readonly SimulatedFamily[] = [
  { name: 'gpt', format: 'openai-chat' },
  { name: 'responses', format: 'openai-responses' },
  { name: 'claude', format: 'anthropic-messages' },
  { name: 'gemini', format: 'gemini' },
  { name: 'converse', format: 'bedrock-converse' },
  { name: 'cohere', format: 'cohere' },
  { name: 'ollama', format: 'ollama' },
];

const VARIANTS = ['', '-mini', '-reasoner'] as const;

/** Every simulated model, without the `sim/` prefix. */
export const SIMULATED_MODELS: readonly string[] = FAMILIES.flatMap(({ name }) =>
  VARIANTS.map((variant) => `${name}${variant}`),
);

/** A model name taken apart: `gpt-reasoner~fault=cut,at=50`. */
export interface ModelName {
  /** Without prefix and options. */
  readonly name: string;
  /** The text after `~`, empty without one. */
  readonly options: string;
  readonly isReasoner: boolean;
  readonly isMini: boolean;
}

/** Splits a model name from its options. Any other vendor's name is taken as it is. */
export function parseModelName(model: string): ModelName {
  const bare = model.replace(/^(?:models\/|sim\/)+/, '');
  const tilde = bare.indexOf('~');
  const name = tilde < 0 ? bare : bare.slice(0, tilde);
  return {
    name,
    options: tilde < 0 ? '' : bare.slice(tilde + 1),
    isReasoner: /-reasoner\b/.test(name),
    isMini: /-mini\b/.test(name),
  };
}
