import { matchesPattern } from '../core/policy/key.ts';
import { allowsModel, type EffectivePolicy } from '../core/policy/policy.ts';
import { forbiddenBy } from '../core/policy/residency.ts';
import type { RouterPlan } from '../core/routing/decision/types.ts';
import { modelNames } from './budget-finder.ts';
import type { ClientFacts, Exchange, Principal } from './exchange.ts';
import type { ModelRoute, Runtime } from './runtime.ts';

/** Whether a key may use a model. One whose list names the router and none of its models may use what is behind it. */
export function mayUse({ policy }: Principal, model: string, plan: RouterPlan): boolean {
  if (policy.models.length === 0 || allowsModel(policy, model)) return true;
  const namesModels = plan.candidates.some((candidate) => allowsModel(policy, candidate.model));
  return !namesModels && policy.models.every((list) => list.includes(plan.name));
}

/** Whether texts of a request may go where a model is: by the key's providers and regions, and by what the request asks for. */
export function mayReachModel(
  whose: { readonly runtime: Runtime; readonly principal: Principal; readonly client: ClientFacts },
  model: string,
): boolean {
  const { providers, regions } = whose.principal.policy;
  const bounds = { providers, regions, asked: whose.client.regions };
  return (whose.runtime.resolve(model)?.deployments ?? []).some(
    ({ provider }) => forbiddenBy(bounds, { provider: provider.name, region: provider.region }) === undefined,
  );
}

/** Whether calls of a model need a yes each, under whichever of its names somebody said so. */
export function needsApproval({ approvals }: EffectivePolicy, asked: string, route: ModelRoute): boolean {
  if (approvals.length === 0) return false;
  const names = modelNames(asked, route);
  return approvals.some((pattern) => names.some((name) => matchesPattern(pattern, name)));
}

/** Whether a request may go over to another model: one whose calls need a yes only when this call has one. */
export function mayGoOver(exchange: Exchange & { principal: Principal }, route: ModelRoute): boolean {
  const { principal, facts } = exchange;
  return !needsApproval(principal.policy, route.name, route) || facts.ruling?.approval !== undefined;
}
