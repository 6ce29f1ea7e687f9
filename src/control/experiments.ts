import type { z } from 'zod';
import { nanoToUsd } from '../core/cost/money.ts';
import { compareArms, type Outcome, summarise } from '../core/routing/experiment.ts';
import type { routerContract } from './contracts/routers.ts';
import { round } from './round.ts';
import type { RoutedExchange } from './router-log.ts';

type View = z.output<typeof routerContract.listExperiments.output>['data'][number];

/** An experiment as configured. */
export interface ExperimentFacts {
  readonly name: string;
  readonly arms: readonly { readonly model: string; readonly percent: number }[];
  readonly metric: 'answered' | 'no_escalation' | 'finished';
  /** How sure the stopping rule has to be, 0..1. */
  readonly confidence: number;
}

/** What counts as good; `undefined` where the client left or was refused, which says nothing about the model. */
function isGood({ record, receipt }: RoutedExchange, metric: ExperimentFacts['metric']): boolean | undefined {
  const { outcome, finishReason } = record;
  if (outcome === 'abandoned' || outcome === 'refused' || outcome === 'crashed') return undefined;
  if (outcome !== 'answered') return false;
  if (metric === 'no_escalation')
    return receipt.actual?.calls?.every((call) => call.escalated_on === null) ?? true;
  return metric === 'answered' || finishReason === 'stop' || finishReason === 'tool_calls';
}

interface Found extends Outcome {
  readonly session: string;
}

function outcomesOf(experiment: ExperimentFacts, routed: readonly RoutedExchange[]): readonly Found[] {
  const found: Found[] = [];
  // The log comes newest first; the test wants outcomes in the order they happened.
  for (let at = routed.length - 1; at >= 0; at--) {
    const exchange = routed[at];
    const arm = exchange?.receipt.arm;
    if (exchange === undefined || arm?.experiment !== experiment.name) continue;
    const good = isGood(exchange, experiment.metric);
    if (good === undefined) continue;
    const { record, receipt } = exchange;
    found.push({
      arm: arm.model,
      good,
      costNano: record.cost?.total,
      latencyMs: record.latencyMs,
      session: receipt.input.sessionHash,
    });
  }
  return found;
}

/** A session counts once, as its first outcome: what follows in one conversation is not independent of it. */
function firstOfSessions(outcomes: readonly Found[]): readonly Found[] {
  const seen = new Set<string>();
  return outcomes.filter(({ session }) => !seen.has(session) && seen.add(session));
}

function says(decided: readonly (string | null)[], pairs: number): string {
  const winner = decided.find((one) => one !== null);
  if (winner !== undefined && winner !== null) return `${winner} is better; the experiment may be stopped.`;
  return pairs === 0
    ? 'No session of every arm has an outcome yet.'
    : 'Not enough evidence yet; looking again costs nothing.';
}

/** Outcomes of one experiment by arm, with the stopping rule for every arm against the first. */
export function reportExperiment(experiment: ExperimentFacts, routed: readonly RoutedExchange[]): View {
  const outcomes = outcomesOf(experiment, routed);
  const sessions = firstOfSessions(outcomes);
  const names = experiment.arms.map(({ model }) => model);
  const of = (arm: string) => ({
    arm,
    outcomes: sessions.flatMap((one) => (one.arm === arm ? [one.good] : [])),
  });
  const [first = '', ...rest] = names;
  // Several comparisons share the permitted error (Bonferroni).
  const alpha = (1 - experiment.confidence) / Math.max(1, rest.length);
  const comparisons = rest.map((second) => {
    const verdict = compareArms(of(first), of(second), alpha);
    return {
      first,
      second,
      pairs: verdict.pairs,
      e_value: round(verdict.eValue),
      needed: round(verdict.needed),
      decided: verdict.decided,
      winner: verdict.winner ?? null,
    };
  });
  const summaries = summarise(names, outcomes);
  return {
    name: experiment.name,
    metric: experiment.metric,
    arms: experiment.arms.map(({ model, percent }, index) => {
      const summary = summaries[index];
      const count = summary?.count ?? 0;
      return {
        model,
        percent,
        sessions: of(model).outcomes.length,
        exchanges: count,
        good: summary?.good ?? 0,
        good_rate: count === 0 ? null : round((summary?.good ?? 0) / count),
        mean_cost_usd:
          summary?.meanCostNano === undefined ? null : nanoToUsd(Math.round(summary.meanCostNano)),
        mean_latency_ms: count === 0 ? null : Math.round(summary?.meanLatencyMs ?? 0),
      };
    }),
    comparisons,
    stop: comparisons.length > 0 && comparisons.every(({ decided }) => decided),
    says: says(
      comparisons.map(({ winner }) => winner),
      Math.min(...comparisons.map(({ pairs }) => pairs), Number.POSITIVE_INFINITY),
    ),
  };
}
