import type { PriceSnapshot } from '../../core/cost/price.ts';
import type { Called } from '../call.ts';
import { notServed, operationEndpoint } from '../carry-operation.ts';
import { extend, type Grant, type Principal } from '../exchange.ts';
import type { Deployment } from '../runtime.ts';
import { createAuthorize } from './authorize.ts';

const NOTHING = Object.freeze({
  input: 0,
  cacheRead: 0,
  cacheWrite5m: 0,
  cacheWrite1h: 0,
  output: 0,
  audioInput: 0,
  audioOutput: 0,
  image: 0,
  request: 0,
});

/** The deployment at the price of this operation, which may be nothing whatever the model's price. */
function priced(exchange: Called, deployment: Deployment): Deployment {
  if (operationEndpoint(exchange, deployment)?.free !== true) return deployment;
  const price: PriceSnapshot = { price: NOTHING, source: 'catalog', asOf: deployment.price?.asOf ?? '' };
  return { ...deployment, price };
}

/**
 * The model exists, the key may use it, and a deployment of it serves the operation → grant with those deployments only,
 * so that what nobody can carry is refused before a limit or a budget is touched. Embeddings never fall back to another
 * model: its vectors could not be compared with those the client has.
 */
export function createAuthorizeOperation(): <E extends Called & { principal: Principal }>(
  exchange: E,
) => E & { grant: Grant } {
  const authorize = createAuthorize();
  return (exchange) => {
    const { grant } = authorize(exchange);
    const { route } = grant;
    const deployments = route.deployments
      .filter((deployment) => operationEndpoint(exchange, deployment) !== undefined)
      .map((deployment) => priced(exchange, deployment));
    const fallbacks = exchange.operation === 'embeddings' ? [] : route.fallbacks;
    if (deployments.length === 0 && fallbacks.length === 0) {
      throw notServed(exchange, route.deployments[0]?.provider.name ?? route.name);
    }
    const fallbacksOn = exchange.operation === 'embeddings' ? {} : route.fallbacksOn;
    return extend(exchange, {
      grant: { ...grant, route: { ...route, deployments, fallbacks, fallbacksOn } },
    });
  };
}
