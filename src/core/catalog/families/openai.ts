import type { Effort, Modality, ModelProfile, Parameter, ReasoningControl } from '../../model/index.ts';
import { effort, type FamilyRule, FIXED_REASONING, family } from './family.ts';

/*
 * OpenAI's models. Sources: the vendor's model pages (context, output, `reasoning.effort` "supports"), recorded refusals
 * of `max_tokens` and `temperature`, and WIRE §3.2 for tools with effort on Chat.
 */

const SEES: readonly Modality[] = ['text', 'image', 'document'];

/** Refused by every reasoning model whatever its effort. */
const NEVER: readonly Parameter[] = ['max_tokens', 'frequency_penalty', 'presence_penalty', 'logit_bias'];
/** Refused while the model thinks. Models that do not think by default (gpt-5.1 to 5.4) take these unless told to think. */
const WHILE_THINKING: readonly Parameter[] = ['temperature', 'top_p', 'logprobs', 'stop'];
const THINKING: readonly Parameter[] = [...NEVER, ...WHILE_THINKING];

const gpt = (match: RegExp, properties: Partial<ModelProfile>): FamilyRule =>
  family(match, 'gpt', { systemAnywhere: true, ...properties });

/** `o1` to `o4`. */
const oSeries = (match: RegExp, properties: Partial<ModelProfile>): FamilyRule =>
  gpt(match, {
    contextTokens: 200_000,
    maxOutputTokens: 100_000,
    input: SEES,
    reasoning: effort(['low', 'medium', 'high'], 'medium'),
    refuses: [...THINKING, 'parallel_tool_calls'],
    ...properties,
  });

const gpt5 = (
  match: RegExp,
  reasoning: ReasoningControl,
  properties: Partial<ModelProfile> = {},
): FamilyRule =>
  gpt(match, {
    contextTokens: 400_000,
    maxOutputTokens: 128_000,
    input: SEES,
    reasoning,
    ...(reasoning.kind === 'effort' && reasoning.default === 'none'
      ? { refuses: NEVER, refusesThinking: WHILE_THINKING }
      : { refuses: THINKING }),
    ...properties,
  });

/** gpt-5.4 and later: a window of a million, and tools with effort on Responses only. */
const million = (match: RegExp, levels: readonly Effort[], byDefault: Effort): FamilyRule =>
  gpt5(match, effort(levels, byDefault), { contextTokens: 1_050_000, toolsNeedResponses: true });

const UP_TO_XHIGH: readonly Effort[] = ['none', 'low', 'medium', 'high', 'xhigh'];
const UP_TO_MAX: readonly Effort[] = [...UP_TO_XHIGH, 'max'];
const PRO: readonly Effort[] = ['medium', 'high', 'xhigh'];
const CHAT: ReasoningControl = effort(['medium'], 'medium');
const CODEX: ReasoningControl = effort(['low', 'medium', 'high'], 'medium');
const CODEX_XHIGH: ReasoningControl = effort(['low', 'medium', 'high', 'xhigh'], 'medium');

export const OPENAI_FAMILIES: readonly FamilyRule[] = [
  family(/^gpt-oss/, 'gpt-oss', {
    reasoning: effort(['low', 'medium', 'high'], 'medium'),
    maxOutputTokens: 131_072,
    contextTokens: 131_072,
  }),

  oSeries(/^o1-(?:mini|preview)/, {
    contextTokens: 128_000,
    maxOutputTokens: 65_536,
    input: ['text'],
    tools: false,
    structuredOutput: 'none',
    reasoning: FIXED_REASONING,
  }),
  oSeries(/^o3-mini/, { input: ['text'] }),
  oSeries(/^o[1-9](?!\d)/, {}),

  million(/^gpt-6-1-sol/, UP_TO_MAX.slice(1), 'medium'),
  million(/^gpt-6-astra/, UP_TO_MAX.slice(1), 'medium'),
  million(/^gpt-[6-9](?!\d)/, UP_TO_MAX, 'medium'),
  million(/^gpt-5-6(?!\d)/, UP_TO_MAX, 'medium'),
  million(/^gpt-5-[45]-pro/, PRO, 'medium'),
  gpt5(/^gpt-5-5-chat|^gpt-chat-latest/, CHAT),
  million(/^gpt-5-5(?!\d)/, UP_TO_XHIGH, 'medium'),
  gpt5(/^gpt-5-4-(?:mini|nano)/, effort(UP_TO_XHIGH, 'none'), { toolsNeedResponses: true }),
  million(/^gpt-5-4(?!\d)/, UP_TO_XHIGH, 'none'),
  gpt5(/^gpt-5-[123]-chat|^gpt-5-3$/, CHAT, { contextTokens: 128_000, maxOutputTokens: 16_384 }),
  gpt5(/^gpt-5-3-codex|^gpt-5-2-codex|^gpt-5-1-codex-max/, CODEX_XHIGH),
  gpt5(/^gpt-5-2-pro/, effort(PRO, 'medium')),
  gpt5(/^gpt-5-2(?!\d)/, effort(UP_TO_XHIGH, 'none')),
  gpt5(/^gpt-5-(?:1-)?codex|^gpt-5-1-mini/, CODEX),
  gpt5(/^gpt-5-1(?!\d)/, effort(['none', 'low', 'medium', 'high'], 'none')),
  gpt5(/^gpt-5-pro/, effort(['high'], 'high'), { maxOutputTokens: 272_000 }),
  gpt(/^gpt-5-chat/, {
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
    input: SEES,
    refuses: ['max_tokens'],
  }),
  gpt5(/^gpt-5(?!\d)/, effort(['minimal', 'low', 'medium', 'high'], 'medium')),

  gpt(/^gpt-4-1(?!\d)/, { contextTokens: 1_047_576, maxOutputTokens: 32_768, input: SEES }),
  gpt(/^gpt-(?:4o(?:-mini)?-)?audio/, {
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
    input: ['text', 'audio'],
    structuredOutput: 'none',
  }),
  gpt(/^gpt-4o(?:-mini)?-search/, {
    contextTokens: 128_000,
    maxOutputTokens: 16_384,
    tools: false,
    refuses: ['temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'n', 'logit_bias', 'seed'],
  }),
  gpt(/^gpt-4o-2024-05-13/, {
    contextTokens: 128_000,
    maxOutputTokens: 4096,
    input: ['text', 'image'],
    structuredOutput: 'json_object',
  }),
  gpt(/^(?:chat)?gpt-4o/, { contextTokens: 128_000, maxOutputTokens: 16_384, input: SEES }),
  gpt(/^gpt-4-(?:turbo|vision|1106|0125)/, {
    contextTokens: 128_000,
    maxOutputTokens: 4096,
    input: ['text', 'image'],
    structuredOutput: 'json_object',
  }),
  gpt(/^gpt-4-32k/, { contextTokens: 32_768, maxOutputTokens: 32_768, structuredOutput: 'none' }),
  gpt(/^gpt-4-5/, { contextTokens: 128_000, maxOutputTokens: 16_384, input: SEES }),
  gpt(/^gpt-4(?!\d)/, { contextTokens: 8192, maxOutputTokens: 8192, structuredOutput: 'none' }),
  gpt(/^gpt-3-?5-turbo/, { contextTokens: 16_385, maxOutputTokens: 4096, structuredOutput: 'json_object' }),
];
