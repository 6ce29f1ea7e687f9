import { nanoToUsd } from '../../cost/money.ts';
import type { PromptScore } from '../model/types.ts';
import { decide } from './decide.ts';
import type { Decision, Judged, RouterPlan, Situation } from './types.ts';

/** What became of the request; filled in when it has ended. */
export interface Actual {
  readonly model: string | undefined;
  readonly outcome: string;
  readonly cost_usd: string | null;
  readonly latency_ms: number;
  /** What comparing intents by meaning cost; an exchange of its own, not part of `cost_usd`. */
  readonly embedding_usd?: string;
  /** Every call of a cascade, in order. */
  readonly calls?: readonly {
    readonly model: string;
    readonly cost_usd: string | null;
    /** Why its answer was not taken; `null` for the one that was. */
    readonly escalated_on: string | null;
    /** A call that only judged another’s answer, and what it said. */
    readonly role?: 'judge';
    readonly verdict?: string;
  }[];
}

/** What a decision is shown, stored and replayed as. JSON-safe. */
export interface Receipt {
  readonly router: string;
  /** Version of the router's configuration. */
  readonly router_version: string;
  /** Versions of everything learned that took part. */
  readonly state: {
    readonly thresholds: string;
    readonly prior: string;
    readonly prompt_model: string | null;
  };
  readonly asked: string;
  readonly reached: Situation['reached'];
  readonly mode: Decision['mode'];
  readonly followed: boolean;
  /** What the router would use, and what was used. */
  readonly model: string;
  readonly served: string;
  readonly baseline: string;
  readonly tier: Decision['tier'];
  readonly reason: Decision['reason'];
  readonly task: string | null;
  readonly language: string | null;
  readonly needs_info: string | null;
  readonly rule: { readonly index: number; readonly name: string | null } | null;
  readonly arm: Decision['arm'] | null;
  /** The weaker model that the promise held back. */
  readonly proposed?: string;
  /** Served the baseline to measure by. */
  readonly held_out?: true;
  readonly cascade: readonly string[] | null;
  readonly steps: Decision['steps'];
  readonly candidates: readonly {
    readonly model: string;
    readonly p_ok: number | null;
    readonly expected_cost_usd: string | null;
    readonly excluded: string | null;
  }[];
  readonly score: {
    readonly p_weak: number;
    readonly p_strong: number;
    readonly score: number;
    readonly interval: readonly [number, number];
  } | null;
  readonly threshold: { readonly max_loss: number; readonly version: string };
  readonly forecast: {
    readonly cost_usd: string | null;
    readonly baseline_cost_usd: string | null;
    readonly p_ok: number | null;
    readonly baseline_p_ok: number | null;
  };
  /** The facts decided on, for replay; nothing of the prompt's text. */
  readonly input: Situation;
  readonly actual?: Actual;
}

function round(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 1e6) / 1e6;
}

function money(nano: number | undefined): string | null {
  return nano === undefined ? null : nanoToUsd(nano);
}

function scoreOf(score: PromptScore | undefined): Receipt['score'] {
  if (score === undefined) return null;
  const { pWeak, pStrong, interval } = score;
  return {
    p_weak: round(pWeak) ?? 0,
    p_strong: round(pStrong) ?? 0,
    score: round(score.score) ?? 0,
    interval: [round(interval.low) ?? 0, round(interval.high) ?? 1],
  };
}

/** A decision as a receipt. `promptModel` names the version of the model that scored the prompt. */
export function receiptOf(
  plan: RouterPlan,
  made: { readonly situation: Situation; readonly decision: Decision },
  promptModel: string | undefined,
): Receipt {
  const { situation, decision } = made;
  const found = (model: string): Judged | undefined =>
    decision.judged.find(({ candidate }) => candidate.model === model);
  const chosen = found(decision.model);
  const baseline = found(situation.baseline);
  return {
    router: plan.name,
    router_version: plan.version,
    state: {
      thresholds: plan.thresholds.version,
      prior: plan.prior.version,
      prompt_model: promptModel ?? null,
    },
    asked: situation.asked,
    reached: situation.reached,
    mode: decision.mode,
    followed: decision.followed,
    model: decision.model,
    served: decision.served,
    baseline: situation.baseline,
    tier: decision.tier,
    reason: decision.reason,
    task: situation.score?.task ?? null,
    language: situation.score?.language ?? null,
    needs_info: decision.needsInfo ?? null,
    rule:
      decision.rule === undefined ? null : { index: decision.rule.index, name: decision.rule.name ?? null },
    arm: decision.arm ?? null,
    ...(decision.proposed === undefined ? {} : { proposed: decision.proposed }),
    ...(decision.heldOut === undefined ? {} : { held_out: decision.heldOut }),
    cascade: decision.cascade ?? null,
    steps: decision.steps,
    candidates: decision.judged.map(({ candidate, out, pOk, costNano }) => ({
      model: candidate.model,
      p_ok: round(pOk),
      expected_cost_usd: money(costNano),
      excluded: out?.says ?? null,
    })),
    score: scoreOf(situation.score),
    threshold: { max_loss: decision.maxLoss, version: plan.thresholds.version },
    forecast: {
      cost_usd: money(chosen?.costNano),
      baseline_cost_usd: money(baseline?.costNano),
      p_ok: round(chosen?.pOk),
      baseline_p_ok: round(baseline?.pOk),
    },
    input: situation,
  };
}

/** What a stored receipt says when its decision is made again. */
export interface Replay {
  /** Whether router and state are those of the receipt; only then must the decision be the same. */
  readonly sameVersion: boolean;
  readonly sameDecision: boolean;
  readonly decision: Decision;
}

/** Decides a receipt's situation again with this plan. */
export function replay(plan: RouterPlan, receipt: Receipt): Replay {
  const decision = decide(plan, receipt.input);
  const again = receiptOf(
    plan,
    { situation: receipt.input, decision },
    receipt.state.prompt_model ?? undefined,
  );
  const { actual: _, ...before } = receipt;
  return {
    sameVersion:
      plan.version === receipt.router_version &&
      plan.thresholds.version === receipt.state.thresholds &&
      plan.prior.version === receipt.state.prior,
    sameDecision: JSON.stringify(again) === JSON.stringify(before),
    decision,
  };
}
