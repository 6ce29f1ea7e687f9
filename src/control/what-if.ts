import type { z } from 'zod';
import { costOf } from '../core/cost/cost.ts';
import { nanoToUsd } from '../core/cost/money.ts';
import { badRequest } from '../core/errors/error.ts';
import { compileCondition, isCondition } from '../core/routing/decision/conditions.ts';
import { decide } from '../core/routing/decision/decide.ts';
import type { Decision, Mode, Objective, RouterPlan, Rule } from '../core/routing/decision/types.ts';
import type { routerContract } from './contracts/routers.ts';
import type { RoutedExchange, RouterLog } from './router-log.ts';

type Answer = Omit<z.output<typeof routerContract.testRoute.output>, 'from' | 'to'>;

/** A rule to be tried. */
export interface TriedRule {
  readonly name?: string | undefined;
  readonly when: string;
  readonly use: string;
  readonly mode?: Mode | undefined;
  readonly interrupt: boolean;
}

/** The plan with other rules, followed by everybody. Throws `bad_request` naming the rule that cannot be used. */
export function planWithRules(
  plan: RouterPlan,
  rules: readonly TriedRule[],
  objective: Objective | undefined,
): RouterPlan {
  const compiled = rules.map((rule, index): Rule => {
    const condition = compileCondition(rule.when);
    const param = `rules[${index}]`;
    if (!isCondition(condition)) {
      const { problem, column, remedy } = condition;
      throw badRequest(`${param}.when`, `\`${param}.when\` ${problem} (at character ${column}). ${remedy}`);
    }
    if (!plan.candidates.some(({ model }) => model === rule.use)) {
      const known = plan.candidates.map(({ model }) => model).join(', ');
      throw badRequest(`${param}.use`, `\`${param}.use\` names no model of this router; it has ${known}.`);
    }
    return { ...rule, name: rule.name, mode: rule.mode, holds: condition.holds };
  });
  return {
    ...plan,
    version: `${plan.version}+tried`,
    mode: 'on',
    rules: compiled,
    experiments: [],
    objective: objective ?? plan.objective,
  };
}

interface Judged {
  readonly actualNano: number;
  readonly projectedNano: number;
  readonly actualModel: string;
  readonly decision: Decision;
  readonly actualPOk: number | undefined;
  readonly projectedPOk: number | undefined;
}

function pOkOf(decision: Decision, model: string): number | undefined {
  return decision.judged.find(({ candidate }) => candidate.model === model)?.pOk;
}

/** What one exchange would have cost: its own tokens at the other model's price. */
function judge(plan: RouterPlan, { record, receipt }: RoutedExchange): Judged | undefined {
  if (record.cost === undefined || record.usage.source === 'unknown') return undefined;
  const decision = decide(plan, receipt.input);
  const actualModel = receipt.actual?.model ?? receipt.served;
  const price = plan.candidates.find(({ model }) => model === decision.served)?.price;
  if (decision.served !== actualModel && price === undefined) return undefined;
  const projectedNano =
    decision.served === actualModel || price === undefined
      ? record.cost.total
      : costOf(record.usage, price).total;
  return {
    actualNano: record.cost.total,
    projectedNano,
    actualModel,
    decision,
    actualPOk: pOkOf(decision, actualModel),
    projectedPOk: pOkOf(decision, decision.served),
  };
}

function mean(values: readonly (number | undefined)[]): number | null {
  const known = values.flatMap((value) => (value === undefined ? [] : [value]));
  if (known.length === 0) return null;
  return Math.round((known.reduce((sum, value) => sum + value, 0) / known.length) * 1e4) / 1e4;
}

function byModel(judged: readonly Judged[]): Answer['by_model'] {
  const names = new Set(judged.flatMap(({ actualModel, decision }) => [actualModel, decision.served]));
  return [...names].map((model) => {
    const projected = judged.filter(({ decision }) => decision.served === model);
    return {
      model,
      actual: judged.filter(({ actualModel }) => actualModel === model).length,
      projected: projected.length,
      projected_usd: nanoToUsd(projected.reduce((sum, { projectedNano }) => sum + projectedNano, 0)),
    };
  });
}

const NOTE =
  'Tokens are those of the answers that were given; another model may write more or less. Lost prompt caches are not in it. Expected quality is the prompt model’s, not measured.';

/** What a plan would have done with logged exchanges. Prompts are not stored, so it goes by what their receipts hold. */
export function whatIf(plan: RouterPlan, log: RouterLog): Answer {
  const all = log.routed.map((exchange) => judge(plan, exchange));
  const judged = all.flatMap((one) => (one === undefined ? [] : [one]));
  const sum = (of: (one: Judged) => number) => judged.reduce((total, one) => total + of(one), 0);
  const actual = sum(({ actualNano }) => actualNano);
  const projected = sum(({ projectedNano }) => projectedNano);
  const sign = projected > actual ? '-' : '';
  return {
    exchanges: log.routed.length + log.withoutReceipt,
    judged: judged.length,
    without_receipt: log.withoutReceipt,
    without_cost: all.length - judged.length,
    truncated: log.truncated,
    changed: judged.filter(({ actualModel, decision }) => decision.served !== actualModel).length,
    actual_usd: nanoToUsd(actual),
    projected_usd: nanoToUsd(projected),
    saving_usd: sign + nanoToUsd(Math.abs(actual - projected)),
    actual_p_ok: mean(judged.map(({ actualPOk }) => actualPOk)),
    projected_p_ok: mean(judged.map(({ projectedPOk }) => projectedPOk)),
    by_model: byModel(judged),
    by_rule: plan.rules.map(({ name }, index) => ({
      rule: name ?? `rule ${index + 1}`,
      matched: judged.filter(({ decision }) => decision.rule?.index === index).length,
    })),
    note: NOTE,
  };
}
