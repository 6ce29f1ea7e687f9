import type { ParsedInputOf } from '../control/contract.ts';
import type { KeyDirectory } from '../control/key-directory.ts';
import type { RouterDesk } from '../control/routers.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Json, JsonObject } from '../core/model/index.ts';
import type { Fleet } from '../core/resilience/fleet.ts';
import { decide } from '../core/routing/decision/decide.ts';
import { type Receipt, receiptOf } from '../core/routing/decision/receipt.ts';
import type { RouterPlan } from '../core/routing/decision/types.ts';
import { CLIENT_DIALECTS } from '../formats/dialects.ts';
import { newFacts } from '../http/chat.ts';
import type { Principal } from '../pipeline/exchange.ts';
import type { FindMeaning } from '../pipeline/intent-meaning.ts';
import type { FoundRouter, Routing } from '../pipeline/routing.ts';
import { type Asking, survey } from '../pipeline/situation.ts';
import type { Clock } from '../ports/clock.ts';
import type { LiveRuntime } from './live-runtime.ts';

interface DeskPorts {
  readonly live: LiveRuntime;
  readonly directory: KeyDirectory;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly meaning: FindMeaning;
}

type Input = ParsedInputOf<'explainRoute'>;

function routingOf({ live }: DeskPorts): Routing {
  const { routing } = live.runtime;
  if (routing === undefined) throw new SluiceError('internal', 'Routing is not set up.');
  return routing;
}

/** The principal a key would be; without a key, nobody in particular. */
function principalOf({ directory }: DeskPorts, keyId: string | undefined): Principal {
  const snapshot = directory.snapshot();
  if (keyId === undefined) return { key: undefined, ...snapshot.keyless, ownCredential: undefined };
  const key = directory.get(keyId);
  const entry = key === undefined ? undefined : snapshot.find(key.hash)?.entry;
  if (entry === undefined)
    throw new SluiceError('not_found', 'There is no key with this id.', { param: 'key_id' });
  return { ...entry, ownCredential: undefined };
}

function bodyOf(input: Input, model: string): JsonObject {
  const system = input.system === undefined ? [] : [{ role: 'system', content: input.system }];
  const messages = [...system, { role: 'user', content: input.prompt ?? '' }];
  return { model, messages, ...(input.request as Record<string, Json> | undefined) } as JsonObject;
}

/** A request as it would arrive, as far as routers look at it. */
function pretend(ports: DeskPorts, input: Input): Asking {
  const model = input.model ?? input.name;
  const body = bodyOf(input, model);
  const { runtime } = ports.live;
  const codec = CLIENT_DIALECTS['openai-chat'];
  return {
    id: 'exc_explain',
    startedAt: input.at === undefined ? ports.clock.now() : Date.parse(input.at),
    startedMono: ports.clock.monotonic(),
    codec,
    operation: 'chat',
    runtime,
    client: {
      credential: undefined,
      address: '',
      clientRequestId: undefined,
      tags: input.tags ?? {},
      user: undefined,
      session: input.session,
      metadata: input.metadata === undefined ? undefined : JSON.stringify(input.metadata),
      timeoutMs: undefined,
      fallback: true,
      cache: undefined,
      forward: {},
      version: undefined,
    },
    raw: Buffer.from(JSON.stringify(body)),
    body,
    envelope: codec.envelope(body),
    signal: new AbortController().signal,
    facts: newFacts(),
    end: undefined,
    principal: principalOf(ports, input.key_id),
    routingHeaders: input.headers ?? {},
  };
}

/** The named router; what the model name says besides (suffix, threshold) counts too. */
function findRouter(routing: Routing, input: Input): FoundRouter {
  const asked = input.model === undefined ? undefined : routing.find(input.model);
  const own = routing.find(input.name);
  if (own === undefined) throw new SluiceError('not_found', 'There is no such router.', { param: 'name' });
  return asked?.router.name === input.name ? asked : own;
}

async function explain(ports: DeskPorts, input: Input): Promise<Receipt> {
  const routing = routingOf(ports);
  const found = findRouter(routing, input);
  const exchange = pretend(ports, input);
  const { runtime } = ports.live;
  const baseline = found.router.baseline ?? exchange.envelope.model;
  const plan = found.router.planWith(baseline);
  // Nobody in particular asks, so nobody’s budget pays.
  const payer = { ...exchange.principal, key: undefined, scopes: [] };
  const meaning = await ports.meaning({ ...exchange, principal: payer }, found);
  const monotonic = ports.clock.monotonic();
  const { situation } = survey(exchange, {
    routing,
    found,
    plan,
    baseline,
    preferences: undefined,
    intent: meaning?.intent,
    budgetLeftNano: undefined,
    admits: (deployment) => ports.fleet.admits(deployment, monotonic),
    latencyOf: (deployment) => ports.fleet.latency(deployment, false, monotonic),
    routeOf: (model) => runtime.resolve(model),
    monotonic,
    now: exchange.startedAt,
  });
  const { scorer } = routing;
  const own = scorer?.versionOf?.({ router: plan.name, routeKey: situation.routeKey }) ?? scorer?.version;
  const version = situation.score === undefined ? undefined : own;
  return receiptOf(plan, { situation, decision: decide(plan, situation) }, version);
}

/** The routers of the live configuration, for the control plane. */
export function createRouterDesk(ports: DeskPorts): RouterDesk {
  const configured = (name: string) => ports.live.config.routers[name];
  return {
    names: () => Object.keys(ports.live.config.routers),
    plan(name, baseline): RouterPlan | undefined {
      const found = Object.hasOwn(ports.live.config.routers, name) ? routingOf(ports).find(name) : undefined;
      return found?.router.planWith(baseline ?? configured(name)?.baseline ?? '');
    },
    baseline: (name) => configured(name)?.baseline ?? '',
    experiments: (name) =>
      (configured(name)?.experiments ?? []).map((experiment) => ({
        name: experiment.name,
        arms: experiment.arms,
        metric: experiment.metric,
        confidence: experiment.confidence_percent / 100,
      })),
    get promptModel() {
      return routingOf(ports).scorer?.version;
    },
    explain: (input) => explain(ports, input),
  };
}
