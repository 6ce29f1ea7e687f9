import type { Effort, Modality, ModelProfile, Parameter } from '../../model/index.ts';
import { effort, type FamilyRule, FIXED_REASONING, family } from './family.ts';

/*
 * Everybody else. Open weights carry no context window here: it depends on who serves them and comes from the price
 * library's line for that vendor. A toggle (`thinking: {type}`) is written as the efforts `none` and `high`; which words
 * go over the wire is the provider's `reasoningRequest`. Open models with a toggle that has no portable name are `fixed`.
 */

const SEES: readonly Modality[] = ['text', 'image'];
const TOGGLE = effort(['none', 'high'], 'high');

const mistral = (match: RegExp, properties: Partial<ModelProfile> = {}): FamilyRule =>
  family(match, 'mistral', properties);

/** Source: xAI, "Reasoning"; models before 4.3 are named by whether they think and take no effort. */
const GROK_THINKING: readonly Parameter[] = ['frequency_penalty', 'presence_penalty', 'stop'];
const grok = (match: RegExp, properties: Partial<ModelProfile>): FamilyRule =>
  family(match, 'grok', properties);

/** Source: DeepSeek's API pages; JSON Schema is not offered, JSON mode is. */
const deepseek = (match: RegExp, properties: Partial<ModelProfile>): FamilyRule =>
  family(match, 'deepseek', { structuredOutput: 'json_object', systemAnywhere: true, ...properties });

/** Kimi K2.5 and later take sampling parameters at their fixed values only (Moonshot's API pages). */
const KIMI_FIXED: readonly Parameter[] = [
  'temperature',
  'top_p',
  'n',
  'presence_penalty',
  'frequency_penalty',
];

const V4_LEVELS: readonly Effort[] = ['none', 'low', 'high', 'max'];

export const OTHER_FAMILIES: readonly FamilyRule[] = [
  mistral(/^magistral/, { reasoning: FIXED_REASONING, input: SEES }),
  mistral(/^mistral-(?:small-(?:latest|2603|4)|medium-(?:latest|3-5|3$|2604))/, {
    reasoning: effort(['none', 'high'], 'none'),
    input: SEES,
  }),
  mistral(/^voxtral/, { input: ['text', 'audio'] }),
  mistral(/^(?:pixtral|mistral-small|mistral-medium|mistral-large-(?:2512|3)|ministral-\d+b-2512)/, {
    input: SEES,
  }),
  mistral(/^(?:mistral|ministral|mixtral|codestral|devstral|open-mi|labs-devstral)/),

  deepseek(/^deepseek-v4/, {
    reasoning: effort(V4_LEVELS, 'high'),
    maxOutputTokens: 384_000,
  }),
  deepseek(/^deepseek-(?:v3-[12]|chat-v3-1)/, { reasoning: TOGGLE, maxOutputTokens: 65_536 }),
  deepseek(/^(?:deepseek-)?(?:reasoner|r1)/, {
    reasoning: FIXED_REASONING,
    refuses: ['logprobs'],
    maxOutputTokens: 65_536,
  }),
  deepseek(/^deepseek/, { maxOutputTokens: 8192 }),

  grok(/^grok-2-vision/, { input: SEES }),
  grok(/^grok-3-mini/, { reasoning: effort(['low', 'high'], 'low'), refuses: GROK_THINKING }),
  grok(/^grok-[23](?!\d)/, {}),
  grok(/^grok-.*non-reasoning/, { input: SEES }),
  grok(/^grok-4-3/, {
    input: SEES,
    reasoning: effort(['none', 'low', 'medium', 'high'], 'low'),
    refuses: GROK_THINKING,
  }),
  grok(/^grok-(?:4-[56]|latest)/, {
    input: SEES,
    reasoning: effort(['low', 'medium', 'high'], 'high'),
    refuses: GROK_THINKING,
  }),
  grok(/^grok-code/, { reasoning: FIXED_REASONING, refuses: GROK_THINKING }),
  grok(/^grok-/, { input: SEES, reasoning: FIXED_REASONING, refuses: GROK_THINKING }),

  family(/^(?:meta-)?llama-?4/, 'llama', { input: SEES }),
  family(/^(?:meta-)?llama-?(?:v3p2|3-2)[-:](?:11b|90b|vision)/, 'llama', { input: SEES }),
  family(/^(?:meta-)?llama-?(?:v?3|guard)/, 'llama', {}),
  family(/^(?:meta-)?llama/, 'llama', { tools: false }),

  family(/^qwen.*vl/, 'qwen', { input: ['text', 'image', 'video'] }),
  family(/^qwen.*omni/, 'qwen', { input: ['text', 'image', 'audio', 'video'] }),
  family(/^(?:qwq|qwen.*thinking)/, 'qwen', { reasoning: FIXED_REASONING }),
  family(/^qwen(?:2|1|-(?:max|plus|turbo|long)|.*(?:instruct|coder|max))/, 'qwen', {}),
  family(/^qwen/, 'qwen', { reasoning: FIXED_REASONING }),

  family(/^kimi-k(?:2-[567]|3)/, 'kimi', {
    input: ['text', 'image', 'video'],
    reasoning: TOGGLE,
    refuses: KIMI_FIXED,
  }),
  family(/^kimi-k2-thinking/, 'kimi', { reasoning: FIXED_REASONING }),
  family(/^(?:kimi|moonshot).*(?:vl|vision)/, 'kimi', { input: SEES }),
  family(/^(?:kimi|moonshot)/, 'kimi', {}),

  family(/^(?:zai-)?glm-(?:4-[56]v|5v)/, 'glm', {
    input: ['text', 'image', 'video'],
    reasoning: TOGGLE,
    structuredOutput: 'json_object',
  }),
  family(/^(?:zai-)?glm-(?:4-[5-9]|[5-9])/, 'glm', { reasoning: TOGGLE, structuredOutput: 'json_object' }),
  family(/^glm/, 'glm', { structuredOutput: 'json_object' }),

  family(/^command-a-reasoning/, 'command', {
    contextTokens: 256_000,
    maxOutputTokens: 32_000,
    reasoning: { kind: 'budget', min: 1, max: 31_000, canDisable: true },
  }),
  family(/^command-a-vision/, 'command', {
    contextTokens: 128_000,
    maxOutputTokens: 8000,
    input: SEES,
    tools: false,
  }),
  family(/^command-a/, 'command', { contextTokens: 256_000, maxOutputTokens: 8000 }),
  family(/^command-r/, 'command', { contextTokens: 128_000, maxOutputTokens: 4000 }),
  family(/^command|^c4ai-aya-expanse/, 'command', {
    maxOutputTokens: 4000,
    tools: false,
    structuredOutput: 'none',
  }),

  family(/^nova-micro/, 'nova', { maxOutputTokens: 10_000, structuredOutput: 'none' }),
  family(/^nova-2/, 'nova', {
    input: ['text', 'image', 'document', 'video'],
    maxOutputTokens: 65_535,
    structuredOutput: 'none',
    reasoning: effort(['low', 'medium', 'high']),
  }),
  family(/^nova/, 'nova', {
    input: ['text', 'image', 'document', 'video'],
    maxOutputTokens: 10_000,
    structuredOutput: 'none',
  }),
  family(/^titan-text/, 'titan', { tools: false, structuredOutput: 'none', maxOutputTokens: 8192 }),
  family(/^jamba/, 'jamba', { structuredOutput: 'json_object', maxOutputTokens: 4096 }),
  family(/^minimax/, 'minimax', { reasoning: FIXED_REASONING }),
  family(/^(?:sonar-deep-research)/, 'sonar', {
    tools: false,
    reasoning: effort(['low', 'medium', 'high'], 'medium'),
  }),
  family(/^(?:sonar-reasoning|r1-1776)/, 'sonar', { tools: false, input: SEES, reasoning: FIXED_REASONING }),
  family(/^(?:sonar|llama-3-1-sonar)/, 'sonar', { tools: false, input: SEES }),
  family(/^palmyra/, 'palmyra', {}),
  family(/^phi-4-multimodal/, 'phi', { input: ['text', 'image', 'audio'] }),
  family(/^phi-4.*reasoning/, 'phi', { reasoning: FIXED_REASONING }),
  family(/^phi/, 'phi', {}),
  family(/^(?:nvidia-)?(?:llama-.*)?nemotron/, 'nemotron', { reasoning: FIXED_REASONING }),
];
