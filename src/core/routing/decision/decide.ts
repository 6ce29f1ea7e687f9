import { chanceOf, EXPECTED_OUTPUT_TOKENS, expectedCost, tierOf } from './choose.ts';
import { excluded } from './constraints.ts';
import {
  type Bench,
  byDefault,
  byExperiment,
  byIntent,
  byNeedsInfo,
  byPrompt,
  byRules,
  byThreshold,
  byToolLoop,
  choosable,
  findModel,
  follows,
  type Wish,
} from './evidence.ts';
import { isWarm, priceSwitch } from './sessions.ts';
import type { Decision, Judged, Mode, Refusal, RouterPlan, Situation } from './types.ts';

function setUp(plan: RouterPlan, situation: Situation): Bench {
  const { score } = situation;
  const judged = plan.candidates.map(
    (candidate): Judged => ({
      candidate,
      out: excluded(plan, candidate, situation),
      pOk:
        score === undefined ? undefined : chanceOf(plan, candidate, { score, routeKey: situation.routeKey }),
      costNano: expectedCost(candidate, situation),
    }),
  );
  const eligible = judged.filter(({ out }) => out === undefined);
  const objective = situation.objective ?? plan.objective;
  const gone = judged.filter(({ out }) => out !== undefined);
  const says =
    gone.length === 0
      ? `all ${judged.length} candidates can serve this`
      : gone.map(({ candidate, out }) => `${candidate.model} ${out?.says}`).join('; ');
  return {
    plan,
    situation,
    judged,
    eligible,
    facts: { ...situation, task: score?.task ?? 'chat', language: score?.language ?? 'und' },
    objective,
    maxLoss: plan.thresholds.maxLoss[objective],
    steps: [{ step: 'constraints', says }],
  };
}

function usd(nano: number): string {
  return `$${(nano / 1e9).toFixed(6)}`;
}

/** A warm session stays where it is unless moving saves more than the cache is worth. */
function stay(bench: Bench, wish: Wish): Wish {
  const { plan, situation, steps } = bench;
  const { session } = situation;
  if (session === undefined || session.model === wish.judged.candidate.model) return wish;
  const current = findModel(bench, session.model);
  if (current === undefined || !isWarm(plan.sessions, session, current.candidate)) return wish;
  if (wish.interrupt === true) {
    steps.push({ step: 'session', says: 'the rule may end the stay with the warm model' });
    return wish;
  }
  const models = { from: current.candidate, to: wish.judged.candidate };
  const output = Math.min(EXPECTED_OUTPUT_TOKENS, situation.maxOutputTokens ?? EXPECTED_OUTPUT_TOKENS);
  const price = priceSwitch({ ...situation, session }, models, output);
  if (price === undefined) return { judged: current, reason: 'session' };
  const saving = price.stayNano - price.moveNano;
  const told = `moving from ${session.model} would save ${usd(saving)}, its cache is worth ${usd(price.cacheNano)}`;
  if (saving > price.cacheNano) {
    steps.push({ step: 'session', says: `${told}: moves` });
    return wish;
  }
  const loss = (wish.judged.pOk ?? 0) - (current.pOk ?? 0);
  if (plan.sessions.upgrade && loss > bench.maxLoss) {
    steps.push({ step: 'session', says: `${told}, but ${session.model} is too weak for this: moves` });
    return wish;
  }
  steps.push({ step: 'session', says: `${told}: stays` });
  const { arm: _, rule: __, ...rest } = wish;
  return { ...rest, judged: current, reason: 'session' };
}

/** The evidence in order, until something decides. */
function weigh(bench: Bench): Wish | undefined {
  const loop = byToolLoop(bench);
  if (loop !== undefined) return loop;
  const { threshold } = bench.situation;
  const wish =
    byRules(bench) ??
    byExperiment(bench) ??
    byIntent(bench) ??
    (threshold === undefined ? undefined : byThreshold(bench, threshold)) ??
    (choosable(bench).length > 1 ? (byNeedsInfo(bench) ?? byPrompt(bench)) : undefined) ??
    byDefault(bench);
  return wish === undefined ? undefined : stay(bench, wish);
}

/** Demands of the operator or the client that nothing meets. All else is left to the baseline, which may answer yet. */
function refusalOf(bench: Bench): Refusal | undefined {
  const { situation, judged } = bench;
  const reasons = judged.map(({ candidate, out }) => `${candidate.model} ${out?.says}`).join('; ');
  if (judged.every(({ out }) => out?.kind === 'policy')) {
    const message = `None of the models behind this name may be used: ${reasons}.`;
    return { code: 'model_forbidden', param: 'model', message };
  }
  const kind = judged.find(({ candidate }) => candidate.model === situation.baseline)?.out?.kind;
  if (kind !== 'policy' && kind !== 'demand') return undefined;
  if (kind === 'policy') {
    const message = `\`${situation.baseline}\`, which is served here, may not be used: ${reasons}.`;
    return { code: 'model_forbidden', param: 'model', message };
  }
  const message = `No model behind this name can serve this request: ${reasons}.`;
  return { code: 'unsupported_feature', param: 'provider', message };
}

function cascadeFrom(bench: Bench, wish: Wish, followed: boolean): readonly string[] | undefined {
  const { cascade } = bench.plan;
  if (cascade === undefined || !followed) return undefined;
  // What somebody fixed stays fixed, and inside a tool loop nobody switches.
  if (wish.reason === 'rule' || wish.reason === 'experiment' || bench.situation.toolLoop) return undefined;
  const at = cascade.models.indexOf(wish.judged.candidate.model);
  if (at < 0) return undefined;
  const models = cascade.models
    .slice(at)
    .filter((model) => findModel(bench, model) !== undefined)
    .slice(0, cascade.maxEscalations + 1);
  if (models.length < 2) return undefined;
  bench.steps.push({ step: 'cascade', says: `asks ${models.join(', then ')} until an answer will do` });
  return models;
}

/** Nothing was decided: the router is off, or no candidate is left. */
function undecided(bench: Bench, mode: Mode): Decision {
  const { plan, situation, judged, steps } = bench;
  const baseline = plan.candidates.find(({ model }) => model === situation.baseline);
  return {
    model: situation.baseline,
    served: situation.baseline,
    followed: false,
    mode,
    tier: baseline === undefined ? 'medium' : tierOf(plan, baseline),
    reason: mode === 'off' ? 'off' : 'default',
    steps,
    judged,
    rule: undefined,
    arm: undefined,
    cascade: undefined,
    others: [],
    needsInfo: situation.score?.needsInfo,
    maxLoss: bench.maxLoss,
    refusal: refusalOf(bench),
  };
}

/**
 * Decides which model answers a request: hard constraints, session policy, rules, experiments, intents, route prior, prompt
 * model, threshold, cascade, mode, each explained. Pure: the same plan and situation give the same decision, and nothing in
 * a prompt can lead out of the candidates that the constraints left.
 */
export function decide(plan: RouterPlan, situation: Situation): Decision {
  const bench = setUp(plan, situation);
  if (plan.mode === 'off') return undecided(bench, 'off');
  const wish = bench.eligible.length === 0 ? undefined : weigh(bench);
  if (wish === undefined) return undecided(bench, plan.mode);
  const mode = wish.mode ?? plan.mode;
  const heldOut = isHeldOut(bench, wish, mode);
  const wanted = follows(plan, situation, mode) && !heldOut;
  // What may not be served is not served in any mode.
  const standing = findModel(bench, situation.baseline);
  const out = bench.judged.find(({ candidate }) => candidate.model === situation.baseline)?.out?.kind;
  const barred = out === 'policy' || out === 'demand';
  const followed = wanted || barred;
  const { candidate } = wish.judged;
  bench.steps.push({ step: 'mode', says: heldOut ? HELD_OUT : modeSays(mode, { wanted, barred }) });
  const cascade = cascadeFrom(bench, wish, followed);
  const served = followed ? candidate.model : situation.baseline;
  return {
    model: candidate.model,
    served,
    followed,
    mode,
    tier: wish.tier ?? tierOf(plan, candidate),
    reason: wish.reason,
    steps: bench.steps,
    judged: bench.judged,
    rule: wish.rule,
    arm: followed ? wish.arm : undefined,
    cascade,
    others:
      cascade === undefined && standing !== undefined && served !== situation.baseline
        ? [situation.baseline]
        : [],
    needsInfo: situation.score?.needsInfo,
    maxLoss: bench.maxLoss,
    refusal: undefined,
    ...(wish.proposed === undefined ? {} : { proposed: wish.proposed }),
    ...(heldOut ? { heldOut } : {}),
  };
}

const HELD_OUT = 'not followed: this session is held out, to measure what the others save';

/** The sessions at the far end of the draw: canary takes from the other one. */
function isHeldOut({ plan, situation }: Bench, wish: Wish, mode: Mode): boolean {
  const { of, holdoutPercent = 0 } = plan.thresholds;
  if (wish.reason !== 'prompt' || mode === 'observe' || of?.(situation.routeKey) === undefined) return false;
  return situation.draw * 100 >= 100 - holdoutPercent;
}

function modeSays(mode: Mode, { wanted, barred }: { wanted: boolean; barred: boolean }): string {
  if (wanted) return `${mode}: followed`;
  return barred ? `${mode}: followed, because the baseline may not be used` : `${mode}: not followed`;
}
