import { SluiceError } from '../../core/errors/error.ts';
import { allowsModel } from '../../core/policy/policy.ts';
import { type Exchange, extend, type Grant, type Principal } from '../exchange.ts';
import type { FoundRouter } from '../routing.ts';
import type { ModelRoute, Runtime } from '../runtime.ts';

const OBJECTIVES = { ':cost': 'cost', ':fast': 'fast', ':quality': 'quality' } as const;

/** Splits `gpt-4o:fast`; a name that resolves as it stands (`llama3:8b`) is never split. */
function resolveName(
  runtime: Runtime,
  asked: string,
): { route: ModelRoute; objective: Grant['objective'] } | undefined {
  const whole = runtime.resolve(asked);
  if (whole !== undefined) return { route: whole, objective: undefined };
  for (const [suffix, objective] of Object.entries(OBJECTIVES)) {
    if (!asked.endsWith(suffix)) continue;
    const route = runtime.resolve(asked.slice(0, -suffix.length));
    if (route !== undefined) return { route, objective };
  }
  return undefined;
}

/** A router asked for by name. It stands for its baseline until it has decided, and looks itself at what the key may use. */
function resolveRouter(exchange: Exchange, asked: string): (Grant & { router: FoundRouter }) | undefined {
  const found = exchange.operation === 'chat' ? exchange.runtime.routing?.find(asked) : undefined;
  const baseline = found?.router.baseline;
  const route = baseline === undefined ? undefined : exchange.runtime.resolve(baseline);
  return found === undefined || route === undefined
    ? undefined
    : { route, objective: undefined, router: found };
}

/** A 404 that says what to do: close names, or how to get a provider at all. */
export function modelNotFound(runtime: Runtime, asked: string): SluiceError {
  const close = runtime.suggest(asked);
  const hint =
    close.length > 0
      ? `Did you mean ${close.map((name) => `\`${name}\``).join(' or ')}?`
      : runtime.demo
        ? 'Sluice runs in demo mode and answers as `sim/…` models; set a provider key to reach real ones.'
        : '`GET /v1/models` lists what this gateway reaches.';
  return new SluiceError('model_not_found', `There is no model \`${asked.slice(0, 200)}\` here. ${hint}`, {
    param: 'model',
  });
}

/** The model exists and the key may use it → grant. */
export function createAuthorize(): <E extends Exchange & { principal: Principal }>(
  exchange: E,
) => E & { grant: Grant } {
  return (exchange) => {
    const asked = exchange.envelope.model;
    const router = exchange.runtime.routing === undefined ? undefined : resolveRouter(exchange, asked);
    if (router !== undefined) return extend(exchange, { grant: router });
    const found = resolveName(exchange.runtime, asked);
    if (!allowsModel(exchange.principal.policy, found?.route.name ?? asked)) {
      throw new SluiceError('model_forbidden', `This key may not use the model \`${asked.slice(0, 200)}\`.`, {
        param: 'model',
      });
    }
    if (found === undefined) throw modelNotFound(exchange.runtime, asked);
    return extend(exchange, { grant: found });
  };
}
