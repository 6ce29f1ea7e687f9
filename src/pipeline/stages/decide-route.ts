import { SluiceError } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { allowsModel } from '../../core/policy/policy.ts';
import type { Fleet } from '../../core/resilience/fleet.ts';
import { decide } from '../../core/routing/decision/decide.ts';
import {
  hasPreferences,
  matchesProvider,
  type Preferences,
  readPreferences,
} from '../../core/routing/decision/preferences.ts';
import type { Decision } from '../../core/routing/decision/types.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Authorized, extend, type Grant } from '../exchange.ts';
import type { FindMeaning, Meaning } from '../intent-meaning.ts';
import type { CompiledRouter, FoundRouter, Routing } from '../routing.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';
import { type Asking, survey } from '../situation.ts';
import { modelNotFound } from './authorize.ts';

export interface DecideRoutePorts {
  readonly clock: Clock;
  readonly fleet: Fleet;
  /** What the tightest budget of whoever asks has left, nano-dollars; `undefined` when none limits. */
  readonly budgetLeft: (exchange: Authorized) => number | undefined;
  /** Compares prompts with intents by meaning, where a model for that is configured. */
  readonly meaning: FindMeaning;
}

type Deciding = Authorized & Pick<Asking, 'routingHeaders'>;

/** Dialects of OpenAI's, in which OpenRouter defines `provider` and `models`. */
const OPENROUTER_DIALECTS: ReadonlySet<string> = new Set([
  'openai-chat',
  'openai-responses',
  'openai-completions',
]);

/** Names by which a deployment's provider can be asked for. */
function slugs({ provider }: Deployment): readonly string[] {
  return [provider.name, provider.vendor.id];
}

/** Other models by the names that the body of a request for OpenRouter gives them, or OpenRouter does. */
function namesHere({ runtime, grant, body }: Deciding): Json {
  const provider = grant.route.deployments[0]?.provider.name;
  const { models } = body;
  if (!Array.isArray(models)) return models ?? null;
  return models.map((name) =>
    typeof name !== 'string' || runtime.resolve(name) !== undefined ? name : `${provider}/${name}`,
  );
}

/**
 * OpenRouter's words as far as this gateway has to follow them. Among the providers behind OpenRouter it may choose itself, but
 * not another model: what a key may use, and what that costs, is known here.
 */
function wordsFor(exchange: Deciding): JsonObject | undefined {
  const { body } = exchange;
  if (!hasPreferences(body)) return undefined;
  const readers = exchange.grant.route.deployments.filter(({ provider }) => provider.quirks.providerRouting);
  const spoken = OPENROUTER_DIALECTS.has(exchange.codec.id);
  if (spoken && readers.length < exchange.grant.route.deployments.length) return body;
  return readers.length === 0 || body['models'] === undefined ? undefined : { models: namesHere(exchange) };
}

/** Takes the words out of body and bytes: no other vendor knows them, and some refuse what they do not know. */
function strip(exchange: Deciding, words: JsonObject): void {
  const body: JsonObject = { ...exchange.body };
  delete body['models'];
  if ('provider' in words) delete body['provider'];
  extend(exchange, { body, raw: Buffer.from(JSON.stringify({ ...body, model: exchange.envelope.model })) });
}

function overPrice({ price }: Deployment, { maxPrice }: Preferences): boolean {
  if (maxPrice === undefined) return false;
  if (price === undefined) return true;
  const { input = Number.POSITIVE_INFINITY, output = Number.POSITIVE_INFINITY } = maxPrice;
  return price.price.input > input || price.price.output > output;
}

/** The parameters of this request that a deployment answers with a 400. */
function refusesAny({ profile }: Deployment, body: JsonObject): boolean {
  if (profile.refuses.some((name) => body[name] !== undefined)) return true;
  return Array.isArray(body['tools']) && body['tools'].length > 0 && !profile.tools;
}

/** A model's deployments as the request wants them: left out, in another order, only the first. */
function narrow(exchange: Deciding, route: ModelRoute, wanted: Preferences): ModelRoute {
  const { only, ignore, order } = wanted;
  let deployments = route.deployments.filter(
    (deployment) =>
      (only === undefined || matchesProvider(only, slugs(deployment))) &&
      (ignore === undefined || !matchesProvider(ignore, slugs(deployment))) &&
      !overPrice(deployment, wanted) &&
      !(wanted.requireParameters && refusesAny(deployment, exchange.body)),
  );
  if (order === undefined) return { ...route, deployments };
  const place = (deployment: Deployment): number => {
    const at = order.findIndex((slug) => matchesProvider([slug], slugs(deployment)));
    return at < 0 ? order.length : at;
  };
  deployments = [...deployments].sort((a, b) => place(a) - place(b));
  if (!wanted.allowFallbacks) deployments = deployments.filter((one) => place(one) < order.length);
  return { ...route, deployments, strategy: 'priority' };
}

/** Models named after the first one; those the key may not use are left out, as fallbacks are. */
function furtherModels(exchange: Deciding, { models }: Preferences): readonly string[] {
  const { runtime, principal, grant } = exchange;
  return models.filter((name) => {
    const route = runtime.resolve(name);
    if (route === undefined) throw modelNotFound(runtime, name);
    return route.name !== grant.route.name && allowsModel(principal.policy, route.name);
  });
}

/** Applies OpenRouter's wishes to the model at hand, routed or not. Throws `unsupported_feature` when nothing is left. */
function prefer(exchange: Deciding, grant: Grant, wanted: Preferences): Grant {
  const route = narrow(exchange, grant.route, wanted);
  const models = furtherModels(exchange, wanted);
  const fallbacks = wanted.allowFallbacks
    ? [...models, ...route.fallbacks.filter((name) => !models.includes(name))]
    : models;
  if (route.deployments.length === 0) {
    throw new SluiceError(
      'unsupported_feature',
      `No provider of \`${route.name.slice(0, 200)}\` meets what \`provider\` asks for.`,
      { param: 'provider' },
    );
  }
  const one = wanted.allowFallbacks ? route : { ...route, deployments: route.deployments.slice(0, 1) };
  return {
    ...grant,
    objective: grant.objective ?? wanted.objective,
    route: { ...one, fallbacks, fallbacksOn: wanted.allowFallbacks ? route.fallbacksOn : {} },
  };
}

function attachedTo({ principal, client }: Deciding, routing: Routing): CompiledRouter | undefined {
  const { key } = principal;
  return routing.attached({ keyId: key?.id, keyName: key?.name, teamId: key?.teamId, tags: client.tags });
}

/** The router of a request: the one asked for by name, else one attached to whoever asks, else the silent watcher. */
function routerOf(exchange: Deciding, routing: Routing, now: number): FoundRouter | undefined {
  const { grant } = exchange;
  if (grant.router !== undefined) return grant.router;
  const attached = routing.attaches ? attachedTo(exchange, routing) : undefined;
  const objective = grant.objective === undefined ? {} : { objective: grant.objective };
  if (attached !== undefined) return { router: attached, asked: objective, reached: 'attached' };
  const implicit = routing.implicit(grant.route, now);
  return implicit === undefined ? undefined : { router: implicit, asked: {}, reached: 'implicit' };
}

function refuse(decision: Decision): void {
  const { refusal } = decision;
  if (refusal === undefined) return;
  throw new SluiceError(refusal.code, refusal.message, { param: refusal.param });
}

/** One word each for router, tier and reason; nothing a client could learn scores from. */
function headline(router: string, { tier, reason, followed, mode }: Decision): string {
  return `${router}: ${tier}, ${reason}${followed ? '' : `; ${mode}`}`;
}

interface Given {
  readonly found: FoundRouter;
  readonly preferences: Preferences | undefined;
  readonly meaning?: Meaning | undefined;
}

/** Decides, notes the decision, and grants the model. */
function route(ports: DecideRoutePorts, exchange: Deciding, given: Given): Grant {
  const { found, preferences, meaning } = given;
  const { runtime, grant, facts } = exchange;
  const routing = runtime.routing as Routing;
  const baseline = found.router.baseline ?? grant.route.name;
  const plan = found.router.planWith(baseline);
  const monotonic = ports.clock.monotonic();
  const { situation, sessionKey } = survey(exchange, {
    routing,
    found,
    plan,
    baseline,
    preferences,
    intent: meaning?.intent,
    budgetLeftNano: ports.budgetLeft(exchange),
    admits: (deployment) => ports.fleet.admits(deployment, monotonic),
    latencyOf: (deployment) => ports.fleet.latency(deployment, exchange.envelope.stream, monotonic),
    routeOf: (model) => runtime.resolve(model),
    monotonic,
    now: exchange.startedAt,
  });
  const decision = decide(plan, situation);
  refuse(decision);
  const { scorer } = routing;
  const promptModel =
    situation.score === undefined
      ? undefined
      : (scorer?.versionOf?.({ router: plan.name, routeKey: situation.routeKey }) ?? scorer?.version);
  facts.routing = {
    plan,
    situation,
    decision,
    promptModel,
    embeddingNano: meaning?.costNano,
    sessionKey,
    calls: [],
    final: undefined,
    narrow: (next) => (preferences === undefined ? next : narrow(exchange, next, preferences)),
  };
  if (found.reached !== 'implicit') facts.decision = headline(found.router.name, decision);
  const served = decision.served === grant.route.name ? grant.route : runtime.resolve(decision.served);
  if (served === undefined) throw modelNotFound(runtime, decision.served);
  const fallbacks = [
    ...served.fallbacks,
    ...decision.others.filter((name) => !served.fallbacks.includes(name)),
  ];
  return {
    ...grant,
    route: fallbacks.length === served.fallbacks.length ? served : { ...served, fallbacks },
    objective: situation.objective === 'balanced' ? undefined : situation.objective,
  };
}

function safely(ports: DecideRoutePorts, exchange: Deciding, given: Given): Grant {
  try {
    return route(ports, exchange, given);
  } catch (error) {
    // A defect of the router must not block anybody: the baseline is what the operator chose.
    if (error instanceof SluiceError) throw error;
    return exchange.grant;
  }
}

/**
 * Which model answers: applies what OpenRouter's fields ask for, and lets the request's router decide. Does nothing at all
 * for requests that have neither, and waits for nothing unless intents are compared by meaning.
 */
export function createDecideRoute(
  ports: DecideRoutePorts,
): <E extends Deciding>(exchange: E) => E | Promise<E> {
  return (exchange) => {
    const { routing } = exchange.runtime;
    const words = wordsFor(exchange);
    const preferences = words === undefined ? undefined : readPreferences(words);
    if (words !== undefined) strip(exchange, words);
    const grantBy = (grant: Grant) => {
      const wanted = preferences === undefined ? grant : prefer(exchange, grant, preferences);
      return wanted === exchange.grant ? exchange : extend(exchange, { grant: wanted });
    };
    const found = routing === undefined ? undefined : routerOf(exchange, routing, ports.clock.monotonic());
    if (found === undefined) return grantBy(exchange.grant);
    const compared = ports.meaning(exchange, found);
    if (compared === undefined) return grantBy(safely(ports, exchange, { found, preferences }));
    return compared.then((meaning) => grantBy(safely(ports, exchange, { found, preferences, meaning })));
  };
}

/** Whether a body names its models in OpenRouter's way only, so that the first of the list is the model. */
export function firstOfModels(body: JsonObject): string | undefined {
  if (!isObject(body) || body['model'] !== undefined || !Array.isArray(body['models'])) return undefined;
  const [first] = body['models'];
  return typeof first === 'string' ? first : undefined;
}
