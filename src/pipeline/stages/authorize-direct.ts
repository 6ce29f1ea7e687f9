import { SluiceError } from '../../core/errors/error.ts';
import { isModelAllowed } from '../../core/policy/key.ts';
import type { Direct } from '../call.ts';
import { extend, type Grant, type Principal } from '../exchange.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';

/**
 * Whether a list of models lets a key use this model at this provider: by `provider/model`, or by a plain name that leads
 * to exactly this deployment anyway. A plain name that is served elsewhere says nothing about this provider.
 */
function isAllowed(exchange: Direct, models: readonly string[], model: string): boolean {
  const { provider } = exchange.target;
  if (isModelAllowed(models, `${provider.name}/${model}`)) return true;
  if (!isModelAllowed(models, model)) return false;
  const deployments = exchange.runtime.resolve(model)?.deployments ?? [];
  return deployments.some((entry) => entry.provider.name === provider.name && entry.model === model);
}

/** What a background answer takes is told later, to requests that cost nothing: as if its price were not known. */
function pricedNow({ body }: Direct, { deployments }: ModelRoute): readonly Deployment[] {
  return body?.['background'] === true
    ? deployments.map((deployment) => ({ ...deployment, price: undefined }))
    : deployments;
}

/** The key may use the named model, or any where none can be read → grant for the one provider, without fallbacks. */
export function createAuthorizeDirect(): <E extends Direct & { principal: Principal }>(
  exchange: E,
) => E & { grant: Grant } {
  return (exchange) => {
    const { provider, model, opaque } = exchange.target;
    const { models } = exchange.principal.policy;
    const limited = models.length > 0;
    if (limited && model !== undefined && !models.every((list) => isAllowed(exchange, list, model))) {
      throw new SluiceError(
        'model_forbidden',
        `This key may not use the model \`${model.slice(0, 200)}\` of \`${provider.name}\`.`,
        { param: 'model' },
      );
    }
    if (limited && model === undefined && opaque) {
      throw new SluiceError(
        'model_forbidden',
        'This key is limited to some models, and which one this request uses cannot be read from it.',
        { param: 'model' },
      );
    }
    const route = exchange.runtime.reach(provider.name, model ?? '');
    if (route === undefined) throw new SluiceError('no_provider', `\`${provider.name}\` is not configured.`);
    // Nothing is known about what a repetition would do.
    const once = {
      ...route,
      retries: { ...route.retries, attempts: 0 },
      deployments: pricedNow(exchange, route),
    };
    return extend(exchange, { grant: { route: once, objective: undefined } });
  };
}
