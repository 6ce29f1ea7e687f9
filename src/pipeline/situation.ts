import { badRequest } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { allowsModel } from '../core/policy/policy.ts';
import { forbiddenBy, isBounded } from '../core/policy/residency.ts';
import { drawOf, Fingerprint, hashText } from '../core/routing/decision/hash.ts';
import type { FoundIntent } from '../core/routing/decision/intents.ts';
import { matchesProvider, type Preferences } from '../core/routing/decision/preferences.ts';
import type { PriceCap, RouterPlan, SessionState, Situation } from '../core/routing/decision/types.ts';
import { promptEstimate } from './estimate.ts';
import type { ClientFacts, Exchange, Principal } from './exchange.ts';
import { type PromptView, readPrompt } from './prompt-view.ts';
import type { FoundRouter, Routing } from './routing.ts';
import type { Deployment, ModelRoute } from './runtime.ts';

/** An exchange that asks for a model. */
export type Asking = Exchange & {
  readonly principal: Principal;
  readonly body: JsonObject;
  /** Headers that conditions may read, and ours for this request. */
  readonly routingHeaders?: Readonly<Record<string, string>>;
};

/** What the stage knows besides the exchange. */
export interface Surroundings {
  readonly routing: Routing;
  readonly found: FoundRouter;
  readonly plan: RouterPlan;
  readonly baseline: string;
  readonly preferences: Preferences | undefined;
  readonly budgetLeftNano: number | undefined;
  /** The intent that was found by meaning, where an embedding model was asked. */
  readonly intent?: FoundIntent | undefined;
  /** Whether a call of this deployment would be let out now. */
  readonly admits: (deployment: Deployment) => boolean;
  /** Milliseconds to the first byte. */
  readonly latencyOf: (deployment: Deployment) => number;
  readonly routeOf: (model: string) => ModelRoute | undefined;
  readonly monotonic: number;
  /** Wall clock, ms. */
  readonly now: number;
}

/** A situation with what is kept beside it. */
export interface Surveyed {
  readonly situation: Situation;
  readonly sessionKey: string;
}

/** Parameters that some models refuse, by the names clients use. */
const PARAMETERS = [
  'temperature',
  'top_p',
  'top_k',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'logprobs',
  'stop',
  'n',
  'parallel_tool_calls',
] as const;

const MAX_METADATA_KEYS = 32;

function metadataOf(client: ClientFacts): Readonly<Record<string, unknown>> {
  if (client.metadata === undefined) return {};
  const value: unknown = JSON.parse(client.metadata);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).slice(0, MAX_METADATA_KEYS));
}

function timeOf(now: number): Situation['time'] {
  const date = new Date(now);
  return { hour: date.getUTCHours(), minute: date.getUTCMinutes(), weekday: date.getUTCDay() || 7 };
}

function numberIn(
  headers: Asking['routingHeaders'],
  name: string,
  most = Number.POSITIVE_INFINITY,
): number | undefined {
  const text = headers?.[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  // A wish that cannot be read must not be taken for none.
  if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > most) {
    const range = Number.isFinite(most) ? `from 0 to ${most}` : 'of at least 0';
    throw badRequest(name, `\`${name}\` must be a number ${range}.`);
  }
  return value;
}

/** `x-sluice-max-price-usd` caps a request; OpenRouter's `max_price` caps rates, and wins where both speak. */
function priceCapOf(exchange: Asking, preferences: Preferences | undefined): PriceCap | undefined {
  const usd = numberIn(exchange.routingHeaders, 'x-sluice-max-price-usd');
  if (usd === undefined) return preferences?.maxPrice;
  return { requestNano: usd * 1e9, ...preferences?.maxPrice };
}

/**
 * Candidates the key may not use. A key whose list names the router itself and none of its models may use them all: that is
 * what whoever named it meant.
 */
function forbiddenModels({ principal }: Asking, name: string, models: readonly string[]): readonly string[] {
  const { policy } = principal;
  if (policy.models.length === 0) return [];
  const forbidden = models.filter((model) => !allowsModel(policy, model));
  const namesRouter = policy.models.every((list) => list.includes(name));
  return forbidden.length === models.length && namesRouter ? [] : forbidden;
}

/** Candidates none of whose deployments lies where the request may be processed. */
function outside(exchange: Asking, around: Surroundings): readonly string[] {
  const { policy } = exchange.principal;
  const bounds = { providers: policy.providers, regions: policy.regions, asked: exchange.client.regions };
  if (!isBounded(bounds)) return [];
  return around.plan.candidates
    .map(({ model }) => model)
    .filter((model) =>
      (around.routeOf(model)?.deployments ?? []).every(
        ({ provider }) =>
          forbiddenBy(bounds, { provider: provider.name, region: provider.region }) !== undefined,
      ),
    );
}

function sessionOf(exchange: Asking, view: PromptView, router: string) {
  const owner = exchange.principal.key?.id ?? '';
  const own = exchange.client.session;
  const hash = new Fingerprint().add(router).add(owner);
  if (own === undefined) hash.add(view.system).add(view.opening);
  else hash.add('session').add(own);
  return hash.toString();
}

function wantedProviders(
  wanted: readonly string[] | undefined,
  plan: RouterPlan,
): readonly string[] | undefined {
  if (wanted === undefined) return undefined;
  const known = new Set(plan.candidates.flatMap(({ providers }) => providers));
  return [...known].filter((name) => matchesProvider(wanted, [name]));
}

function healthOf(around: Surroundings): readonly string[] {
  return around.plan.candidates
    .map(({ model }) => model)
    .filter((model) => {
      const deployments = around.routeOf(model)?.deployments ?? [];
      return deployments.length === 0 || !deployments.some(around.admits);
    });
}

function latenciesOf(around: Surroundings): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { model } of around.plan.candidates) {
    const times = (around.routeOf(model)?.deployments ?? []).map(around.latencyOf);
    if (times.length > 0) found[model] = Math.round(Math.min(...times));
  }
  return found;
}

interface Known {
  readonly view: PromptView;
  readonly sessionHash: string;
  readonly routeKey: string;
  readonly session: SessionState | undefined;
}

function know(exchange: Asking, around: Surroundings): Known {
  const { body, client, principal } = exchange;
  const view = readPrompt(body);
  const { name, sessions } = around.plan;
  const sessionHash = sessionOf(exchange, view, name);
  const continues = client.session !== undefined || view.turns > 1;
  return {
    view,
    sessionHash,
    routeKey: new Fingerprint()
      .add(principal.key?.id ?? '')
      .add(client.tags['app'] ?? client.tags['feature'] ?? '')
      .add(view.system)
      .add(view.toolsHash)
      .toString(),
    session: continues
      ? around.routing.sessions.find(sessionHash, sessions.ttlMs, around.monotonic)
      : undefined,
  };
}

/** What the learned parts say of the prompt. In the middle of a tool loop whose model is known nobody asks them. */
function learned(
  exchange: Asking,
  around: Surroundings,
  { view, session, routeKey }: Known,
): Partial<Situation> {
  const { scorer } = around.routing;
  if (around.plan.mode === 'off' || (view.toolLoop && session !== undefined)) return {};
  const hasContext = view.turns > 1 || view.system.length > 200;
  const attachments = exchange.envelope.media;
  const facts = { text: view.text, hasContext, attachments, toolResults: view.toolResults };
  const intent = around.intent ?? around.found.router.intents?.nearest(view.text);
  return {
    ...(scorer === undefined ? {} : { score: scorer.score(facts, { router: around.plan.name, routeKey }) }),
    ...(intent === undefined ? {} : { intent }),
  };
}

function demands(exchange: Asking, around: Surroundings): Partial<Situation> {
  const { preferences, found, plan, budgetLeftNano } = around;
  const objective = found.asked.objective ?? preferences?.objective;
  const { threshold } = found.asked;
  const maxPrice = priceCapOf(exchange, preferences);
  const minQuality = numberIn(exchange.routingHeaders, 'x-sluice-min-quality', 1);
  const only = wantedProviders(preferences?.only, plan);
  const ignore = wantedProviders(preferences?.ignore, plan);
  const parameters = PARAMETERS.filter((name) => exchange.body[name] !== undefined);
  return {
    ...(objective === undefined ? {} : { objective }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(maxPrice === undefined ? {} : { maxPrice }),
    ...(minQuality === undefined ? {} : { minQuality }),
    ...(only === undefined ? {} : { onlyProviders: only }),
    ...(ignore === undefined ? {} : { ignoreProviders: ignore }),
    ...(preferences?.requireParameters === true ? { parameters } : {}),
    ...(budgetLeftNano === undefined ? {} : { budgetLeftNano }),
    ...(objective === 'fast' ? { latencies: latenciesOf(around) } : {}),
  };
}

/** Everything about a request that a router's decision depends on. */
export function survey(exchange: Asking, around: Surroundings): Surveyed {
  const { client, envelope, principal } = exchange;
  const { plan, found } = around;
  const known = know(exchange, around);
  const { view, session } = known;
  const { key } = principal;
  const { maxOutputTokens } = envelope;
  const headers = { ...exchange.routingHeaders };
  return {
    sessionKey: known.sessionHash,
    situation: {
      model: envelope.model,
      asked: envelope.model,
      reached: found.reached,
      baseline: around.baseline,
      tags: { ...client.tags },
      headers,
      metadata: metadataOf(client),
      key: { id: key?.id ?? '', name: key?.name ?? '', team: key?.teamId ?? '' },
      time: timeOf(around.now),
      // The estimate is made to be too high; half of it is the likely size.
      tokens: Math.ceil(promptEstimate(exchange) / 2),
      ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
      tools: view.toolNames,
      images: envelope.media,
      stream: envelope.stream,
      systemHash: view.system === '' ? '' : hashText(view.system),
      output: view.output,
      reasoning: view.reasoning,
      toolsHash: view.toolsHash,
      routeKey: known.routeKey,
      toolLoop: view.toolLoop,
      callsPerTurn: view.callsPerTurn,
      draw: drawOf(known.sessionHash),
      sessionHash: known.sessionHash,
      ...(session === undefined ? {} : { session }),
      forbidden: [
        ...forbiddenModels(
          exchange,
          plan.name,
          plan.candidates.map(({ model }) => model),
        ),
        ...outside(exchange, around),
      ],
      down: healthOf(around),
      ...demands(exchange, around),
      ...learned(exchange, around, known),
    },
  };
}
