import type { PromptScore } from '../model/types.ts';
import { coldPlace, headOf, pickByChance, pickByPlace, placeOf, winOf } from './choose.ts';
import { UNPROVEN } from './defaults.ts';
import { drawOf } from './hash.ts';
import type {
  ConditionFacts,
  Judged,
  Mode,
  Objective,
  Reason,
  RouterPlan,
  Situation,
  Step,
  Tier,
} from './types.ts';

/** What the evidence so far points to. */
export interface Wish {
  readonly judged: Judged;
  readonly reason: Reason;
  readonly tier?: Tier;
  /** In force instead of the router's. */
  readonly mode?: Mode;
  readonly rule?: { readonly index: number; readonly name: string | undefined };
  readonly arm?: { readonly experiment: string; readonly model: string };
  /** May end a warm session's stay. */
  readonly interrupt?: boolean;
  /** A weaker model that the promise held back. */
  readonly proposed?: string;
}

/** A decision in the making. */
export interface Bench {
  readonly plan: RouterPlan;
  readonly situation: Situation;
  readonly judged: readonly Judged[];
  /** Cheapest first. */
  readonly eligible: readonly Judged[];
  readonly facts: ConditionFacts;
  readonly objective: Objective;
  readonly maxLoss: number;
  readonly steps: Step[];
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}

/** A candidate that can serve this request. */
export function findModel(bench: Bench, model: string): Judged | undefined {
  return bench.eligible.find(({ candidate }) => candidate.model === model);
}

/** Candidates that evidence about the prompt may choose, cheapest first. */
export function choosable({ eligible }: Bench): readonly Judged[] {
  return eligible.filter(({ candidate }) => candidate.explicitOnly !== true);
}

/** Whether decisions are followed for this session. */
export function follows(plan: RouterPlan, situation: Situation, mode: Mode): boolean {
  return mode === 'on' || (mode === 'canary' && situation.draw * 100 < plan.canaryPercent);
}

/** The middle of a tool loop: another model would not know what it was about to do. */
export function byToolLoop(bench: Bench): Wish | undefined {
  const { session, toolLoop } = bench.situation;
  if (!toolLoop) return undefined;
  const judged = session === undefined ? undefined : findModel(bench, session.model);
  bench.steps.push({
    step: 'session',
    says:
      judged === undefined
        ? 'in a tool loop whose model is not known or cannot serve this'
        : `in a tool loop with ${judged.candidate.model}`,
  });
  return judged === undefined ? undefined : { judged, reason: 'tool_loop' };
}

/** The first rule that holds. */
export function byRules(bench: Bench): Wish | undefined {
  const { plan, situation, facts, steps } = bench;
  for (const [index, rule] of plan.rules.entries()) {
    if (rule.mode === 'off') continue;
    const title = rule.name ?? `rule ${index + 1}`;
    const verdict = rule.holds(facts);
    if (typeof verdict === 'string')
      steps.push({ step: 'rules', says: `${title} does not apply: ${verdict}` });
    if (verdict !== true) continue;
    const judged = findModel(bench, rule.use);
    if (judged === undefined) {
      steps.push({ step: 'rules', says: `${title} holds, but ${rule.use} cannot serve this` });
      continue;
    }
    // A rule with a mode of its own is followed or not by that mode; the others go on as if it were not there.
    if (rule.mode !== undefined && !follows(plan, situation, rule.mode)) {
      steps.push({ step: 'rules', says: `${title} holds and would use ${rule.use} (mode ${rule.mode})` });
      continue;
    }
    steps.push({ step: 'rules', says: `${title} holds: ${rule.use}` });
    return {
      judged,
      reason: 'rule',
      rule: { index, name: rule.name },
      interrupt: rule.interrupt,
      ...(rule.mode === undefined ? {} : { mode: rule.mode }),
    };
  }
  return undefined;
}

/** The arm of the first experiment this session takes part in. */
export function byExperiment(bench: Bench): Wish | undefined {
  const { plan, situation, facts, steps } = bench;
  for (const { name, arms, holds } of plan.experiments) {
    if (holds !== undefined && holds(facts) !== true) continue;
    let rest = drawOf(`${name}\n${situation.sessionHash}`) * 100;
    const arm = arms.find(({ percent: share }) => {
      rest -= share;
      return rest < 0;
    });
    if (arm === undefined) continue;
    const judged = findModel(bench, arm.model);
    steps.push({
      step: 'experiment',
      says: `${name} puts this session on ${arm.model}${judged === undefined ? ', which cannot serve this' : ''}`,
    });
    if (judged !== undefined) {
      return { judged, reason: 'experiment', arm: { experiment: name, model: arm.model }, mode: 'on' };
    }
  }
  return undefined;
}

/** The model of the intent whose utterances the prompt resembles. */
export function byIntent(bench: Bench): Wish | undefined {
  const { intent } = bench.situation;
  const known = bench.plan.intents.find(({ name }) => name === intent?.name);
  if (intent === undefined || known === undefined) return undefined;
  const byMeaning = intent.by === 'meaning';
  const least = byMeaning ? (known.meaningThreshold ?? known.threshold) : known.threshold;
  if (intent.similarity < least) return undefined;
  const judged = findModel(bench, known.model);
  bench.steps.push({
    step: 'intent',
    says: `nearest to "${known.name}" (similarity of ${byMeaning ? 'meaning' : 'spelling'} ${intent.similarity.toFixed(2)}): ${known.model}`,
  });
  return judged === undefined ? undefined : { judged, reason: 'intent' };
}

/** The eligible candidate nearest to one end of the price order. */
function endOf(bench: Bench, end: 'weak' | 'strong'): Judged | undefined {
  const tier = end === 'weak' ? 'easy' : 'hard';
  const named = bench.plan.byTier[tier];
  const judged = named === undefined ? undefined : findModel(bench, named);
  const free = choosable(bench);
  return judged ?? (end === 'weak' ? free[0] : free.at(-1));
}

/** RouteLLM's way: the strong model from a chance of a win on. */
export function byThreshold(bench: Bench, threshold: number): Wish | undefined {
  const { score } = bench.situation;
  if (score === undefined) return undefined;
  const win = winOf(score);
  const judged = endOf(bench, win >= threshold ? 'strong' : 'weak');
  bench.steps.push({
    step: 'threshold',
    says: `the strong model wins with ${percent(win)}, asked for from ${percent(threshold)} on`,
  });
  return judged === undefined ? undefined : { judged, reason: 'threshold' };
}

/**
 * A prompt that cannot be answered as it stands, by structural rules, or one of which nobody can say how hard it is while the
 * route has no evidence of its own. Goes to the router's default model; never blocked.
 */
export function byNeedsInfo(bench: Bench): Wish | undefined {
  const { plan, situation } = bench;
  const { score } = situation;
  if (score === undefined) return undefined;
  const missing = score.needsInfo;
  const isOpen = score.tier === 'needs_info' && isCold(bench, score);
  if (missing === undefined && !isOpen) return undefined;
  const judged = findModel(bench, plan.byTier.needs_info ?? situation.baseline);
  const says =
    missing === undefined
      ? `could be easy as well as hard (weak ${percent(score.pWeak)}, strong ${percent(score.pStrong)})`
      : `the prompt lacks something (${missing})`;
  bench.steps.push({ step: 'prompt_model', says });
  return judged === undefined ? undefined : { judged, reason: 'needs_info', tier: 'needs_info' };
}

/** Nothing is known of the route but the prompt: no thresholds, no prior, no head of any candidate. */
function isCold(bench: Bench, score: PromptScore): boolean {
  const { plan, situation } = bench;
  return (
    plan.thresholds.version.startsWith(UNPROVEN) &&
    plan.prior.of(situation.routeKey) === undefined &&
    !plan.candidates.some(({ model }) => headOf(score, model) !== undefined)
  );
}

/** The prompt model’s chances under what risk control allows; while there is no evidence, the prompt’s tier. */
export function byPrompt(bench: Bench): Wish | undefined {
  const wish = proposalOf(bench);
  return wish === undefined ? undefined : keepPromise(bench, wish);
}

/** Whether a candidate is cheaper, and so taken for weaker, than the baseline. */
function isWeaker(bench: Bench, { candidate }: Judged): boolean {
  const { plan, situation } = bench;
  const places = plan.candidates.map(({ model }) => model);
  return places.indexOf(candidate.model) < places.indexOf(situation.baseline);
}

/** Where a promise is kept, a weaker model answers only what is proven to lose little enough. */
function keepPromise(bench: Bench, wish: Wish): Wish {
  const { plan, situation, steps } = bench;
  const proof = plan.thresholds.of?.(situation.routeKey);
  if (proof === undefined || situation.score === undefined || !isWeaker(bench, wish.judged)) return wish;
  const standing = findModel(bench, situation.baseline);
  if (situation.score.score < proof.below || standing === undefined) {
    steps.push({ step: 'promise', says: `${proof.says}: kept` });
    return wish;
  }
  steps.push({ step: 'promise', says: `${proof.says}: stays with ${situation.baseline}` });
  return { ...wish, judged: standing, proposed: wish.judged.candidate.model };
}

function proposalOf(bench: Bench): Wish | undefined {
  const { plan, situation, objective, maxLoss, steps } = bench;
  const { score, routeKey } = situation;
  if (score === undefined) return undefined;
  const prior = plan.prior.of(routeKey);
  if (prior !== undefined) {
    const labels = Object.values(prior).reduce((sum, { labels: count }) => sum + count, 0);
    steps.push({ step: 'route_prior', says: `this route stands on ${labels} labels` });
  }
  steps.push({
    step: 'prompt_model',
    says: `${score.task} in ${score.language}: weak ${percent(score.pWeak)}, strong ${percent(score.pStrong)}`,
  });
  const minQuality = larger(plan.minQuality, situation.minQuality);
  const wanted = { objective, maxLoss, minQuality, latencies: situation.latencies };
  const what = objective === 'fast' ? 'quickest' : 'cheapest';
  if (isCold(bench, score)) {
    const place = coldPlace(score.tier, objective);
    const cold = pickByPlace(choosable(bench), { ...wanted, place, placeOf: (one) => placeOf(plan, one) });
    if (cold === undefined) return undefined;
    steps.push({
      step: 'threshold',
      says: `${score.tier === 'easy' ? 'an' : 'a'} ${score.tier} prompt: ${cold.candidate.model} is the ${what} for it (${objective}, no evidence on this route yet)`,
    });
    return { judged: cold, reason: 'prompt' };
  }
  const judged = pickByChance(choosable(bench), wanted);
  if (judged === undefined) return undefined;
  steps.push({
    step: 'threshold',
    says: `${judged.candidate.model} is the ${what} within ${percent(maxLoss)} of the best (${objective}, ${plan.thresholds.version})`,
  });
  return { judged, reason: 'prompt' };
}

function larger(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.max(one, other);
}

/** Nothing spoke: the only candidate left, else the baseline. */
export function byDefault(bench: Bench): Wish | undefined {
  const free = choosable(bench);
  const [only] = free;
  if (free.length === 1 && only !== undefined) return { judged: only, reason: 'only_candidate' };
  const judged = findModel(bench, bench.situation.baseline) ?? only ?? bench.eligible[0];
  return judged === undefined ? undefined : { judged, reason: 'default' };
}
