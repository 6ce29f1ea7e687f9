import { allowsModel } from '../core/policy/policy.ts';
import type { RouterPlan } from '../core/routing/decision/types.ts';
import type { Principal } from './exchange.ts';

/** Whether a key may use a model. One whose list names the router and none of its models may use what is behind it. */
export function mayUse({ policy }: Principal, model: string, plan: RouterPlan): boolean {
  if (policy.models.length === 0 || allowsModel(policy, model)) return true;
  const namesModels = plan.candidates.some((candidate) => allowsModel(policy, candidate.model));
  return !namesModels && policy.models.every((list) => list.includes(plan.name));
}
