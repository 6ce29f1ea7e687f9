import { unsupported } from '../../core/errors/error.ts';
import type { ChatRequest, Effort, JsonObject, Parameter } from '../../core/model/index.ts';
import { planReasoning } from '../../core/translation/reasoning.ts';
import { toOpenApiSubset } from '../../core/translation/schema-subset.ts';
import type { Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { asObject } from './aliases.ts';
import type { Notes } from './notes.ts';

const MAX_STOP = 5;
const MAX_TOP_LOGPROBS = 20;
const INT32 = 0x7fff_ffff;

/** `ThinkingLevel`; Google has no word beyond HIGH. */
const LEVELS: Readonly<Record<Effort, string>> = {
  none: 'MINIMAL',
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
};

/**
 * Leaves out what the model refuses; clamps to Google's documented ranges, never scales (WIRE §2.1
 * "sampling").
 */
function encodeSampling(request: ChatRequest, target: Target, notes: Notes): JsonObject {
  const { sampling } = request;
  const given = <T>(value: T | undefined, parameter: Parameter): T | undefined => {
    if (value === undefined || !target.profile.refuses.includes(parameter)) return value;
    notes.add(parameter);
    return undefined;
  };
  const clamp = (value: number | undefined, range: readonly [number, number], name: string) => {
    if (value === undefined) return undefined;
    const kept = Math.min(Math.max(value, range[0]), range[1]);
    notes.when(kept !== value, `${name} ${value} (sent as ${kept})`);
    return kept;
  };
  let seed = given(sampling.seed, 'seed');
  if (seed !== undefined && Math.abs(seed) > INT32) {
    notes.add('seed');
    seed = undefined;
  }
  const logprobs = given(sampling.logprobs, 'logprobs');
  notes.when(sampling.logitBias !== undefined, 'logit_bias');
  return {
    temperature: clamp(given(sampling.temperature, 'temperature'), [0, 2], 'temperature'),
    topP: given(sampling.topP, 'top_p'),
    topK: given(sampling.topK, 'top_k'),
    seed,
    presencePenalty: clamp(given(sampling.presencePenalty, 'presence_penalty'), [-2, 2], 'presence_penalty'),
    frequencyPenalty: clamp(
      given(sampling.frequencyPenalty, 'frequency_penalty'),
      [-2, 2],
      'frequency_penalty',
    ),
    responseLogprobs: logprobs,
    logprobs:
      logprobs === true ? clamp(sampling.topLogprobs, [0, MAX_TOP_LOGPROBS], 'top_logprobs') : undefined,
  };
}

function encodeThinking(request: ChatRequest, target: Target, notes: Notes): JsonObject | undefined {
  const { reasoning } = request;
  if (reasoning === undefined) return undefined;
  const { profile } = target;
  const extra = asObject(asObject(request.extensions?.gemini?.['generationConfig'])?.['thinkingConfig']);
  const out: JsonObject = { ...extra };
  if (reasoning.summary !== undefined) out['includeThoughts'] = reasoning.summary !== 'none';
  const { budgetTokens } = reasoning;
  if (profile.family === 'other' && budgetTokens !== undefined) {
    // A model nobody described: its client chose the field, so the field is kept.
    return { ...out, thinkingBudget: budgetTokens };
  }
  if (profile.family === 'other' && reasoning.adaptive === true) return { ...out, thinkingBudget: -1 };
  const { plan, dropped } = planReasoning(reasoning, profile.reasoning, outputLimit(request, target, notes));
  notes.add(...dropped);
  switch (plan.type) {
    case 'disabled':
      return { ...out, thinkingBudget: 0 };
    case 'budget':
      return {
        ...out,
        thinkingBudget: plan.dynamic === true && reasoning.adaptive === true ? -1 : plan.tokens,
      };
    case 'effort':
      return { ...out, thinkingLevel: LEVELS[plan.effort] };
    case 'adaptive':
      return plan.effort === undefined ? out : { ...out, thinkingLevel: LEVELS[plan.effort] };
    case 'omit':
      return profile.reasoning.kind === 'none' || Object.keys(out).length === 0 ? undefined : out;
  }
}

function encodeOutput(request: ChatRequest, target: Target, notes: Notes): JsonObject {
  const { output } = request;
  if (output.type === 'text') return {};
  const responseMimeType = 'application/json';
  if (output.type === 'json_object') return { responseMimeType };
  if (target.quirks.schema !== 'openapi') return { responseMimeType, responseJsonSchema: output.schema };
  const { schema, loosened } = toOpenApiSubset(output.schema);
  for (const word of loosened) notes.add(`schema ${word} of the output`);
  notes.when(output.strict === true && loosened.length > 0, 'strict of the output');
  return { responseMimeType, responseSchema: schema };
}

function outputLimit(request: ChatRequest, target: Target, notes: Notes): number | undefined {
  const { maxOutputTokens: limit } = request;
  const most = target.profile.maxOutputTokens;
  if (limit === undefined || most === undefined || limit <= most) return limit;
  notes.add(`max output tokens ${limit} (sent as ${most})`);
  return most;
}

function stopList(request: ChatRequest, target: Target, notes: Notes): string[] | undefined {
  const stop = (request.stop ?? []).filter((text) => text !== '');
  if (stop.length === 0) return undefined;
  if (target.profile.refuses.includes('stop')) {
    notes.add('stop');
    return undefined;
  }
  if (stop.length <= MAX_STOP) return stop;
  throw unsupported('stop', `This model takes at most ${MAX_STOP} stop sequences; send fewer.`);
}

/**
 * `generationConfig`, or `undefined` when nothing was asked. Never both a thinking level and a budget: that
 * is a 400.
 */
export function encodeConfig(request: ChatRequest, target: Target, notes: Notes): JsonObject | undefined {
  const limit = outputLimit(request, target, notes);
  const choices = request.choices ?? 1;
  if (choices > 1 && target.profile.refuses.includes('n')) {
    throw unsupported('n', 'This model gives one answer at a time; ask for one, or send several requests.');
  }
  const config = compact({
    ...asObject(request.extensions?.gemini?.['generationConfig']),
    ...compact({
      ...encodeSampling(request, target, notes),
      candidateCount: choices > 1 ? choices : undefined,
      maxOutputTokens: limit,
      stopSequences: stopList(request, target, notes),
      ...encodeOutput(request, target, notes),
    }),
    thinkingConfig: encodeThinking(request, target, notes),
  });
  return Object.keys(config).length === 0 ? undefined : config;
}
