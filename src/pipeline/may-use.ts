import { allowsModel } from '../core/policy/policy.ts';
import { forbiddenBy } from '../core/policy/residency.ts';
import type { RouterPlan } from '../core/routing/decision/types.ts';
import type { ClientFacts, Principal } from './exchange.ts';
import type { Runtime } from './runtime.ts';

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
