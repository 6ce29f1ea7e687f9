import { SluiceError } from '../../core/errors/error.ts';
import { allowsModel } from '../../core/policy/policy.ts';
import { PROVIDERS } from '../../providers/index.ts';
import type { Exchange, Grant, Principal } from '../exchange.ts';
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

/** For `vendor/model` of a vendor that is not set up: how to. */
function missingProvider(runtime: Runtime, asked: string): string | undefined {
  const vendor = PROVIDERS.get(asked.slice(0, Math.max(0, asked.indexOf('/'))));
  if (vendor === undefined || runtime.providers.has(vendor.id)) return undefined;
  const [variable] = vendor.env;
  const set = variable === undefined ? '' : `set ${variable}, or `;
  return `The provider \`${vendor.id}\` is not set up; ${set}add it under \`providers\`.`;
}

/** A 404 that says what to do: close names, or how to get the provider, or any at all. */
export function modelNotFound(runtime: Runtime, asked: string): SluiceError {
  const close = runtime.suggest(asked);
  const hint =
    close.length > 0
      ? `Did you mean ${close.map((name) => `\`${name}\``).join(' or ')}?`
      : runtime.demo
        ? 'Sluice runs in demo mode and answers as `sim/…` models; set a provider key to reach real ones.'
        : (missingProvider(runtime, asked) ?? '`GET /v1/models` lists what this gateway reaches.');
  return new SluiceError('model_not_found', `There is no model \`${asked.slice(0, 200)}\` here. ${hint}`, {
    param: 'model',
  });
}

function withGrant<E extends Exchange>(exchange: E, grant: Grant): E & { grant: Grant } {
  const authorized = exchange as E & { grant: Grant };
  authorized.grant = grant;
  return authorized;
}

/** The model exists and the key may use it → grant. */
export function createAuthorize(): <E extends Exchange & { principal: Principal }>(
  exchange: E,
) => E & { grant: Grant } {
  return (exchange) => {
    const asked = exchange.envelope.model;
    const router = exchange.runtime.routing === undefined ? undefined : resolveRouter(exchange, asked);
    if (router !== undefined) return withGrant(exchange, router);
    const found = resolveName(exchange.runtime, asked);
    if (!allowsModel(exchange.principal.policy, found?.route.name ?? asked)) {
      throw new SluiceError('model_forbidden', `This key may not use the model \`${asked.slice(0, 200)}\`.`, {
        param: 'model',
      });
    }
    if (found === undefined) throw modelNotFound(exchange.runtime, asked);
    return withGrant(exchange, found);
  };
}
