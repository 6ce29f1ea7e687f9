import {
  type ChatRequest,
  isObject,
  type JsonObject,
  type Parameter,
  type ReasoningControl,
} from '../../core/model/index.ts';
import { planReasoning, type ReasoningPlan } from '../../core/translation/reasoning.ts';
import { FORMAT } from './names.ts';
import type { Encoding } from './parts-encode.ts';

/** `max_tokens`, `thinking` and `output_config.effort`. */
export interface Effortful {
  readonly maxTokens: number;
  readonly thinking?: JsonObject;
  readonly effort?: string;
  readonly thinks: boolean;
}

/** A model without its own entry in the catalog is asked the way current Claude models are. */
function controlOf({ target }: Encoding): ReasoningControl {
  const { reasoning } = target.profile;
  if (reasoning.kind !== 'effort') return reasoning;
  const levels = reasoning.levels.filter((level) => level !== 'none' && level !== 'minimal');
  return { kind: 'adaptive', levels, acceptsBudget: true };
}

function displayOf(request: ChatRequest): JsonObject {
  const summary = request.reasoning?.summary;
  if (summary === undefined) return {};
  return { display: summary === 'none' ? 'omitted' : 'summarized' };
}

/** Fields of `thinking` or `output_config` that the canonical model has no word for. */
export function keptObject(request: ChatRequest, key: string): JsonObject | undefined {
  const kept = request.extensions?.[FORMAT]?.[key];
  return isObject(kept) ? kept : undefined;
}

function written(plan: ReasoningPlan, encoding: Encoding): Pick<Effortful, 'thinking' | 'effort'> {
  const { request } = encoding;
  const extra = { ...displayOf(request), ...keptObject(request, 'thinking') };
  switch (plan.type) {
    case 'disabled':
      return { thinking: { type: 'disabled' } };
    case 'budget': {
      const thinking = { ...extra, type: 'enabled', budget_tokens: plan.tokens };
      const asked = request.reasoning;
      const both = asked?.budgetTokens !== undefined && asked.effort !== undefined;
      return {
        thinking,
        ...(both && controlOf(encoding).kind === 'adaptive' ? { effort: asked.effort } : {}),
      };
    }
    case 'adaptive':
      return {
        thinking: { type: 'adaptive', ...extra },
        ...(plan.effort === undefined ? {} : { effort: plan.effort }),
      };
    case 'effort':
      return { effort: plan.effort };
    case 'omit':
      return {};
  }
}

/** The client's own effort without `thinking`, which must not turn thinking on. */
function isEffortOnly(request: ChatRequest): boolean {
  const effort = keptObject(request, 'output_config')?.['effort'];
  return effort !== undefined && effort === request.reasoning?.effort;
}

/**
 * `max_tokens`, which Anthropic demands, and how to think under it. A limit nobody asked for is raised to make room for
 * the budget; one the client gave is kept, and the budget fits under it. `forced`: a tool must be called, which the API
 * does not take together with thinking.
 */
export function encodeLimits(encoding: Encoding, forced: boolean): Effortful {
  const { request, target, notes } = encoding;
  const most = target.profile.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const asked = request.maxOutputTokens;
  if (asked !== undefined && asked > most) notes.add(`max_tokens ${asked} (sent as ${most})`);
  const fallback = Math.min(target.defaultMaxOutputTokens, most);
  const limit = asked === undefined ? fallback : Math.min(asked, most);
  const room = asked === undefined ? target.profile.maxOutputTokens : limit;
  const { plan, dropped } = planReasoning(request.reasoning, controlOf(encoding), room ?? limit);
  notes.addAll(dropped);
  const thinks = plan.type === 'budget' || plan.type === 'adaptive';
  if (thinks && forced) {
    notes.add('reasoning (a tool is forced)');
    const effort = plan.type === 'adaptive' && plan.effort !== undefined ? { effort: plan.effort } : {};
    return { maxTokens: limit, thinks: false, ...effort };
  }
  const raised =
    plan.type === 'budget' && asked === undefined ? Math.min(plan.tokens + fallback, most) : limit;
  const { thinking, effort } = written(plan, encoding);
  if (isEffortOnly(request)) {
    return { maxTokens: limit, thinks: false, ...(effort === undefined ? {} : { effort }) };
  }
  return {
    maxTokens: raised,
    thinks,
    ...(thinking === undefined ? {} : { thinking }),
    ...(effort === undefined ? {} : { effort }),
  };
}

/** Values with a name the target may refuse. */
function accepted<T>(encoding: Encoding, parameter: Parameter, value: T | undefined): T | undefined {
  if (value === undefined || !encoding.target.profile.refuses.includes(parameter)) return value;
  encoding.notes.add(parameter === 'stop' ? 'stop_sequences' : parameter);
  return undefined;
}

function temperatureOf(encoding: Encoding, thinks: boolean): number | undefined {
  const asked = accepted(encoding, 'temperature', encoding.request.sampling.temperature);
  if (asked === undefined) return undefined;
  if (thinks && asked !== 1) {
    encoding.notes.add('temperature (the model is thinking)');
    return undefined;
  }
  if (asked <= 1) return asked;
  encoding.notes.add(`temperature ${asked} (sent as 1)`);
  return 1;
}

/** `top_p` besides `temperature` is refused by current Claude models (WIRE §2.1); 1 says nothing. */
function topPOf(encoding: Encoding, thinks: boolean, temperature: number | undefined): number | undefined {
  const asked = accepted(encoding, 'top_p', encoding.request.sampling.topP);
  if (asked === undefined) return undefined;
  if (temperature !== undefined) {
    if (asked < 1) encoding.notes.add('top_p (temperature is given)');
    return undefined;
  }
  if (!thinks || asked >= 0.95) return asked;
  encoding.notes.add('top_p (the model is thinking)');
  return undefined;
}

/** Sampling parameters, as far as the model takes them, and takes them while thinking. */
export function encodeSampling(encoding: Encoding, thinks: boolean): JsonObject {
  const { notes, request } = encoding;
  const temperature = temperatureOf(encoding, thinks);
  let topK = accepted(encoding, 'top_k', request.sampling.topK);
  if (topK !== undefined && thinks) {
    notes.add('top_k (the model is thinking)');
    topK = undefined;
  }
  return { temperature, top_p: topPOf(encoding, thinks, temperature), top_k: topK };
}

/** Stop sequences; those of white space only are refused by the API. */
export function encodeStop(encoding: Encoding): readonly string[] | undefined {
  const stop = accepted(encoding, 'stop', encoding.request.stop);
  if (stop === undefined) return undefined;
  const usable = stop.filter((sequence) => sequence.trim() !== '');
  if (usable.length < stop.length) encoding.notes.add('stop_sequences of white space');
  return usable.length === 0 ? undefined : usable;
}

/** Canonical tier words, which are OpenAI's, in Anthropic's. */
const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  priority: 'auto',
  default: 'standard_only',
  standard: 'standard_only',
  standard_only: 'standard_only',
};

export function encodeTier({ request, notes }: Encoding): string | undefined {
  if (request.serviceTier === undefined) return undefined;
  const word = Object.hasOwn(TIERS, request.serviceTier) ? TIERS[request.serviceTier] : undefined;
  if (word === undefined) notes.add('service_tier');
  return word;
}
