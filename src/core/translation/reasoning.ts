import { EFFORTS, type Effort, type ReasoningControl, type ReasoningRequest } from '../model/index.ts';

/**
 * Thinking tokens an effort stands for. `low`, `medium` and `high` are the figures Google documents for
 * `reasoning_effort` on its OpenAI-compatible endpoint; the others continue the scale.
 */
export const EFFORT_BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 512,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 65_536,
};

/** Least budget Anthropic accepts, in tokens (WIRE §2.1). */
export const MIN_CLAUDE_BUDGET = 1024;

/**
 * Of the output limit, the most that an effort may spend on thoughts: a budget that is used up leaves the answer nothing
 * else. (OpenRouter, which turns efforts into budgets too, documents the same share for `high`.)
 */
const EFFORT_SHARE = 0.8;

/** What to send about reasoning, in the target's kind of control. */
export type ReasoningPlan =
  /** Say nothing: the model has no control, or its default is what was asked. */
  | { readonly type: 'omit' }
  | { readonly type: 'disabled' }
  | { readonly type: 'effort'; readonly effort: Effort }
  /** `dynamic`: the client left the amount to the model; formats with a word for it (Gemini −1) say that instead. */
  | { readonly type: 'budget'; readonly tokens: number; readonly dynamic?: boolean }
  | { readonly type: 'adaptive'; readonly effort?: Effort };

/** A plan and what of the wish it does not carry, for `x-sluice-dropped`. */
export interface ReasoningDecision {
  readonly plan: ReasoningPlan;
  readonly dropped: readonly string[];
}

const OMIT: ReasoningDecision = { plan: { type: 'omit' }, dropped: [] };

/** The effort whose budget is nearest; a positive budget is never `none`. */
export function effortOfBudget(tokens: number): Effort {
  if (tokens <= 0) return 'none';
  let best: Effort = 'minimal';
  for (const effort of EFFORTS) {
    if (effort === 'none') continue;
    if (Math.abs(EFFORT_BUDGETS[effort] - tokens) < Math.abs(EFFORT_BUDGETS[best] - tokens)) best = effort;
  }
  return best;
}

/**
 * The level of `levels` nearest to `wish`, the lower one of two equally near. Thinking that was asked for is never turned
 * off, so `none` is only returned for itself. `undefined` if there is no level to choose from.
 */
export function nearestEffort(wish: Effort, levels: readonly Effort[]): Effort | undefined {
  if (levels.includes(wish)) return wish;
  const rank = EFFORTS.indexOf(wish);
  let best: Effort | undefined;
  let distance = Number.POSITIVE_INFINITY;
  for (const [index, level] of EFFORTS.entries()) {
    if (level === 'none' || !levels.includes(level) || Math.abs(index - rank) >= distance) continue;
    best = level;
    distance = Math.abs(index - rank);
  }
  return best;
}

/** Whether the client wants no thinking at all. */
function wantsNone(request: ReasoningRequest): boolean {
  return !request.enabled || request.effort === 'none' || request.budgetTokens === 0;
}

/** The effort asked for, in whichever words; `undefined` if the amount is left to the model. */
function wishedEffort(request: ReasoningRequest): Effort | undefined {
  if (request.effort !== undefined) return request.effort;
  return request.budgetTokens === undefined ? undefined : effortOfBudget(request.budgetTokens);
}

function changed(wish: Effort, given: Effort): readonly string[] {
  return wish === given ? [] : [`reasoning effort ${wish} (sent as ${given})`];
}

function planEffort(
  request: ReasoningRequest,
  control: Extract<ReasoningControl, { kind: 'effort' }>,
): ReasoningDecision {
  if (wantsNone(request)) {
    if (control.levels.includes('none')) return { plan: { type: 'effort', effort: 'none' }, dropped: [] };
    const least = nearestEffort('none', control.levels);
    if (least === undefined) return { ...OMIT, dropped: ['reasoning disabled'] };
    return { plan: { type: 'effort', effort: least }, dropped: [`reasoning disabled (sent as ${least})`] };
  }
  // A model that does not think by default must be told to; for the others its own default is "adaptive".
  const wish = wishedEffort(request) ?? (control.default === 'none' ? 'medium' : undefined);
  if (wish === undefined) return OMIT;
  const effort = nearestEffort(wish, control.levels);
  if (effort === undefined) return { ...OMIT, dropped: ['reasoning'] };
  return {
    plan: { type: 'effort', effort },
    dropped: request.effort === undefined ? [] : changed(wish, effort),
  };
}

interface BudgetRange {
  readonly min: number;
  readonly max: number;
  readonly canDisable: boolean;
}

function planBudget(
  request: ReasoningRequest,
  range: BudgetRange,
  maxOutputTokens: number | undefined,
): ReasoningDecision {
  const off: ReasoningPlan = range.canDisable ? { type: 'disabled' } : { type: 'omit' };
  if (wantsNone(request)) {
    if (range.canDisable) return { plan: off, dropped: [] };
    return {
      plan: { type: 'budget', tokens: range.min },
      dropped: [`reasoning disabled (sent as ${range.min} tokens)`],
    };
  }
  // Thoughts are part of the output on every vendor with budgets: a budget at the limit leaves no room for an answer.
  const limit = maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const room = request.budgetTokens === undefined ? Math.floor(limit * EFFORT_SHARE) : limit - 1;
  const ceiling = Math.min(range.max, room);
  if (ceiling < range.min) return { plan: off, dropped: ['reasoning (max tokens leaves no room)'] };
  const wish = request.budgetTokens ?? EFFORT_BUDGETS[request.effort ?? 'medium'];
  const tokens = Math.max(range.min, Math.min(wish, ceiling));
  const dynamic = request.budgetTokens === undefined && request.effort === undefined;
  return {
    plan: { type: 'budget', tokens, ...(dynamic ? { dynamic } : {}) },
    dropped:
      request.budgetTokens === undefined || tokens === wish
        ? []
        : [`reasoning budget ${wish} (sent as ${tokens})`],
  };
}

function planAdaptive(
  request: ReasoningRequest,
  control: Extract<ReasoningControl, { kind: 'adaptive' }>,
  maxOutputTokens: number | undefined,
): ReasoningDecision {
  if (wantsNone(request)) {
    if (control.alwaysOn !== true) return { plan: { type: 'disabled' }, dropped: [] };
    const least = nearestEffort('none', control.levels);
    if (least === undefined) return { ...OMIT, dropped: ['reasoning disabled'] };
    return {
      plan: { type: 'adaptive', effort: least },
      dropped: [`reasoning disabled (sent as effort ${least})`],
    };
  }
  if (request.budgetTokens !== undefined && request.adaptive !== true && control.acceptsBudget) {
    const range = { min: MIN_CLAUDE_BUDGET, max: Number.POSITIVE_INFINITY, canDisable: true };
    return planBudget(request, range, maxOutputTokens);
  }
  const wish = wishedEffort(request);
  if (wish === undefined) return { plan: { type: 'adaptive' }, dropped: [] };
  const effort = nearestEffort(wish, control.levels);
  if (effort === undefined) return { plan: { type: 'adaptive' }, dropped: ['reasoning effort'] };
  const dropped =
    request.effort === undefined
      ? [`reasoning budget ${request.budgetTokens} (sent as effort ${effort})`]
      : changed(wish, effort);
  return { plan: { type: 'adaptive', effort }, dropped };
}

/**
 * Turns what the client asked about reasoning into the target's kind of control, by one table of efforts and budgets
 * (WIRE §2.1 "reasoning control"). `maxOutputTokens` is the limit that will be sent; a budget always stays below it.
 */
export function planReasoning(
  request: ReasoningRequest | undefined,
  control: ReasoningControl,
  maxOutputTokens?: number,
): ReasoningDecision {
  if (request === undefined) return OMIT;
  switch (control.kind) {
    case 'none':
      return wantsNone(request) ? OMIT : { ...OMIT, dropped: ['reasoning'] };
    case 'fixed':
      if (wantsNone(request)) return { ...OMIT, dropped: ['reasoning disabled'] };
      return wishedEffort(request) === undefined ? OMIT : { ...OMIT, dropped: ['reasoning effort'] };
    case 'effort':
      return planEffort(request, control);
    case 'budget':
      return planBudget(request, control, maxOutputTokens);
    case 'adaptive':
      return planAdaptive(request, control, maxOutputTokens);
  }
}
