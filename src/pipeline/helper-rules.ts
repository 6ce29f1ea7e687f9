import { SluiceError } from '../core/errors/error.ts';
import { isModelAllowed } from '../core/policy/key.ts';
import { modelNames } from './budget-finder.ts';
import type { Exchange, Principal } from './exchange.ts';
import { type Helpers, helpersOf, type NamedHelper, takesHelpers } from './helper-models.ts';
import { needsApproval } from './may-use.ts';
import type { Granted } from './policy-facts.ts';
import type { Deployment, Runtime } from './runtime.ts';

type Whose = Exchange & { readonly principal: Principal };

/**
 * Every name by which a list may allow a model at the provider of a deployment: `provider/model`, configured names that lead
 * there, and the plain one if it does too. A plain name that is served elsewhere says nothing about this provider.
 */
function namesAt(runtime: Runtime, { provider }: Deployment, model: string): readonly string[] {
  const leads = runtime
    .resolve(model)
    ?.deployments.some((one) => one.provider.name === provider.name && one.model === model);
  const aliases = runtime.reach(provider.name, model)?.aliases ?? [];
  return [`${provider.name}/${model}`, ...aliases, ...(leads === true ? [model] : [])];
}

/** The first helper that a deployment would be called with and that the key's lists of models do not allow. */
function forbidden(
  exchange: Whose,
  helpers: Helpers,
  deployment: Deployment,
): NamedHelper | 'open' | undefined {
  if (helpers.open) return 'open';
  const { models } = exchange.principal.policy;
  return helpers.named.find(({ model }) => {
    const names = namesAt(exchange.runtime, deployment, model);
    return !models.every((list) => names.some((name) => isModelAllowed(list, name)));
  });
}

function refusal(helper: NamedHelper | 'open', { provider }: Deployment): SluiceError {
  if (helper === 'open') {
    return new SluiceError(
      'model_forbidden',
      'With a word for `fallbacks` the provider chooses the model, and this key is limited to some. Name the models in `fallbacks`, or leave it out.',
      { param: 'fallbacks' },
    );
  }
  const model = helper.model.slice(0, 200);
  return new SluiceError(
    'model_forbidden',
    `This key may not use the model \`${model}\` of \`${provider.name}\`, which \`${helper.field}\` names. Name one that it may use, or leave it out.`,
    { param: helper.field },
  );
}

/** Where a granted request would be sent with its helpers. */
function takersOf(exchange: Granted): readonly Deployment[] {
  return exchange.grant.route.deployments.filter((deployment) => takesHelpers(exchange, deployment));
}

/**
 * Refuses a request that would have its vendor call a model which the key may not use, wherever the request may go. Throws
 * `model_forbidden`, naming the field.
 */
export function refuseHelpers(exchange: Granted): void {
  if (exchange.principal.policy.models.length === 0) return;
  const helpers = helpersOf(exchange);
  if (helpers === undefined) return;
  const takers = takersOf(exchange);
  const refusals = takers.map((deployment) => {
    const helper = forbidden(exchange, helpers, deployment);
    return helper === undefined ? undefined : refusal(helper, deployment);
  });
  const [first] = refusals;
  if (first !== undefined && refusals.every((one) => one !== undefined)) throw first;
}

function needsYes(exchange: Whose, deployment: Deployment, model: string): boolean {
  const { policy } = exchange.principal;
  const route = exchange.runtime.reach(deployment.provider.name, model);
  return route !== undefined && needsApproval(policy, model, route);
}

/** What of a request's helpers needs a yes, in words; one that the vendor chooses may be any. */
export function helperToApprove(exchange: Granted): string | undefined {
  if (exchange.principal.policy.approvals.length === 0) return undefined;
  const helpers = helpersOf(exchange);
  if (helpers === undefined) return undefined;
  const takers = takersOf(exchange);
  if (takers.length === 0) return undefined;
  if (helpers.open) return 'A call of a model that the provider chooses (`fallbacks`)';
  const found = helpers.named.find(({ model }) => takers.some((one) => needsYes(exchange, one, model)));
  return found === undefined ? undefined : `A call of \`${found.model.slice(0, 200)}\` (\`${found.field}\`)`;
}

/** Whether a policy has to look at the helpers of each place a request goes to. */
export function limitsHelpers(exchange: Granted): boolean {
  const { models, approvals } = exchange.principal.policy;
  return (models.length > 0 || approvals.length > 0) && helpersOf(exchange) !== undefined;
}

/** Whether a request with its helpers may go to a deployment, by the key's lists of models and the approvals it has. */
export function mayTakeHelpers(exchange: Whose, deployment: Deployment): boolean {
  const helpers = helpersOf(exchange);
  if (helpers === undefined || !takesHelpers(exchange, deployment)) return true;
  const { models, approvals } = exchange.principal.policy;
  if (models.length > 0 && forbidden(exchange, helpers, deployment) !== undefined) return false;
  if (approvals.length === 0 || exchange.facts.ruling?.approval !== undefined) return true;
  return !helpers.open && !helpers.named.some(({ model }) => needsYes(exchange, deployment, model));
}

/** The names of a request's helpers at each place it is granted, for budgets of models. */
export function helperNames(exchange: Granted): readonly (readonly string[])[] {
  const helpers = helpersOf(exchange);
  if (helpers === undefined) return [];
  const takers = takersOf(exchange);
  return helpers.named.map(({ model }) => [
    ...new Set(
      takers.flatMap(({ provider }) => {
        const route = exchange.runtime.reach(provider.name, model);
        return route === undefined ? [] : modelNames(model, route);
      }),
    ),
  ]);
}
