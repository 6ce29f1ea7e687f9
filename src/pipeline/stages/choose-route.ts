import { SluiceError } from '../../core/errors/error.ts';
import { allowsModel } from '../../core/policy/policy.ts';
import { type Bounds, forbiddenBy, isBounded } from '../../core/policy/residency.ts';
import { balance, type Place, type Strategy } from '../../core/resilience/balance.ts';
import type { CostHistory } from '../../core/resilience/cost-history.ts';
import type { Fleet } from '../../core/resilience/fleet.ts';
import type { Sessions } from '../../core/resilience/sessions.ts';
import type { Turns } from '../../core/resilience/turns.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Random } from '../../ports/random.ts';
import { isKept, tieOf } from '../affinity.ts';
import { costScope } from '../cost-scope.ts';
import { promptEstimate } from '../estimate.ts';
import type { Candidate, Exchange, Grant, Principal, Route, Tie } from '../exchange.ts';
import { mayGoOver } from '../may-use.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';

export interface ChooseRoutePorts {
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  readonly fleet: Fleet;
  readonly sessions: Sessions;
  readonly turns: Turns;
  readonly costs: CostHistory;
}

/** An exchange that may be sent. */
type Chosen = Exchange & { principal: Principal; grant: Grant };

/** A route at one moment, as far as the request may use it. */
interface Asked {
  readonly route: ModelRoute;
  readonly deployments: readonly Deployment[];
  readonly strategy: Strategy;
  readonly now: number;
}

/** Strategies under which a slow deployment is worse; by others it may be wanted although it is slow. */
const SLOWNESS_COUNTS: ReadonlySet<Strategy> = new Set([
  'weighted',
  'round_robin',
  'least_busy',
  'lowest_latency',
]);

function strategyOf(route: ModelRoute, objective: Grant['objective']): Strategy {
  if (objective === 'cost') return 'lowest_cost';
  if (objective === 'fast') return 'lowest_latency';
  return route.strategy;
}

/** Calls a deployment may work on at once. */
function capacityOf({ limits, providerLimits }: Deployment): number | undefined {
  return limits?.concurrency ?? providerLimits?.concurrency;
}

/** Leaves out what does much worse than its siblings, and tells the operator. */
function compareSiblings(ports: ChooseRoutePorts, exchange: Chosen, asked: Asked): void {
  const { route, strategy, now } = asked;
  if (route.outliers === undefined || !ports.fleet.compares(route.name, now)) return;
  const siblings = {
    route: route.name,
    members: route.deployments,
    policy: route.outliers,
    slow: SLOWNESS_COUNTS.has(strategy),
    stream: exchange.envelope.stream,
  };
  for (const { id, reason } of ports.fleet.compare(siblings, now)) {
    ports.log.warn('outlier.ejected', { deployment: id, model: route.name, reason });
  }
}

/** A model's deployments by priority group and strategy, those that rest or are outliers at the end. */
function balanced(ports: ChooseRoutePorts, exchange: Chosen, asked: Asked): readonly Deployment[] {
  const { route, deployments, strategy, now } = asked;
  if (deployments.length < 2) return deployments;
  const { fleet, random, turns, costs } = ports;
  const { stream, maxOutputTokens } = exchange.envelope;
  compareSiblings(ports, exchange, asked);
  const byCost = strategy === 'lowest_cost';
  const scope = byCost ? costScope(exchange.principal) : '';
  const wish = {
    // The estimate is made to be too high; half of it is the likely size.
    prompt: byCost ? promptEstimate(exchange) / 2 : 0,
    maxOutput: maxOutputTokens,
    now,
  };
  const places = deployments.map(
    (deployment): Place<Deployment> => ({
      item: deployment,
      id: deployment.id,
      weight: deployment.weight,
      priority: deployment.priority ?? 1,
      usable: fleet.usable(deployment, now) && !fleet.ejected(route.name, deployment, now),
      share: fleet.share(deployment, now),
      inFlight: fleet.inFlight(deployment),
      capacity: capacityOf(deployment),
      latencyMs: strategy === 'lowest_latency' ? fleet.latency(deployment, stream, now) : 0,
      cost: byCost
        ? costs.expectedCost(
            { route: route.name, deployment: deployment.id, scope },
            deployment.price?.price,
            wish,
          )
        : 0,
    }),
  );
  const balancing = { route: route.name, strategy, turns, uniform: () => random.uniform() };
  return balance(places, balancing).map(({ item }) => item);
}

/** Puts the deployment first that a conversation belongs to; where nobody else can continue it, it stands alone. */
function tied(
  order: readonly Deployment[],
  tie: Tie,
  given: { readonly kept: boolean; readonly usable: (deployment: Deployment) => boolean },
): readonly Deployment[] {
  const home = order.find(({ id }) => id === tie.deployment);
  if (home === undefined) return order;
  if (tie.kind === 'state') return [home];
  const others = order.filter((deployment) => deployment !== home);
  if (tie.kind === 'session') return given.kept && given.usable(home) ? [home, ...others] : order;
  // Another vendor is sent the conversation without the reasoning that it could not read.
  return [home, ...others.filter(({ provider }) => provider.vendor.id !== home.provider.vendor.id)];
}

/**
 * Leaves out open circuits as long as anything else is left, and puts those whose every credential was refused last. With
 * nothing else left all are tried as they stand: the last deployment is never given up (R7).
 */
function healthy(fleet: Fleet, candidates: readonly Candidate[], now: number): readonly Candidate[] {
  if (candidates.length < 2) return candidates;
  const admitted = candidates.filter(({ deployment }) => fleet.admits(deployment, now));
  const left = admitted.length === 0 ? candidates : admitted;
  const barred = left.filter(({ deployment }) => fleet.barred(deployment, now));
  if (barred.length === 0 || barred.length === left.length) return left;
  return [...left.filter((candidate) => !barred.includes(candidate)), ...barred];
}

function boundsOf({ principal, client }: Chosen): Bounds {
  const { providers, regions } = principal.policy;
  return { providers, regions, asked: client.regions };
}

/** Nothing is left out where all is well. */
const NONE: readonly Candidate[] = [];

const listed = (names: Iterable<string>): string => [...names].map((name) => `\`${name}\``).join(', ');

/** Names what is allowed, so that whoever asked can choose another model or ask for more. */
function outOfBounds(exchange: Chosen, { providers, regions, asked }: Bounds): SluiceError {
  const allowed = [
    ...(regions === undefined ? [] : [`in the regions ${listed(regions) || 'that the key allows (none)'}`]),
    ...(asked === undefined ? [] : [`in ${listed(asked)}, as \`x-sluice-region\` asks`]),
    ...(providers === undefined
      ? []
      : [`at the providers ${listed(providers) || 'that the key allows (none)'}`]),
  ];
  return new SluiceError(
    'region_refused',
    `No deployment of \`${exchange.grant.route.name.slice(0, 200)}\` is where this request may be processed: ${allowed.join(' and ')}.`,
    { param: 'model' },
  );
}

/** The stage at work on one request. */
class Choice {
  readonly #ports: ChooseRoutePorts;
  readonly #exchange: Chosen;
  readonly #bounds: Bounds;
  readonly #bounded: boolean;
  /** Something was left out because it is out of bounds. */
  forbidden = false;
  tie: Tie | undefined;

  constructor(ports: ChooseRoutePorts, exchange: Chosen) {
    this.#ports = ports;
    this.#exchange = exchange;
    this.#bounds = boundsOf(exchange);
    this.#bounded = isBounded(this.#bounds);
  }

  candidatesOf(route: ModelRoute, now: number): Candidate[] {
    const exchange = this.#exchange;
    const { fleet, sessions } = this.#ports;
    const deployments = this.#bounded
      ? route.deployments.filter((one) => this.#permits(one))
      : route.deployments;
    const asked = { route, deployments, strategy: strategyOf(route, exchange.grant.objective), now };
    let order = balanced(this.#ports, exchange, asked);
    const tie = tieOf(exchange, route, { sessions, now });
    if (tie !== undefined) {
      this.tie ??= tie;
      order = tied(order, tie, {
        kept: isKept(exchange, route),
        usable: (one) => fleet.usable(one, now) && !fleet.ejected(route.name, one, now),
      });
    }
    return order.map((deployment) => ({ deployment, route }));
  }

  fallbacks(names: readonly string[], now: number): readonly Candidate[] {
    const { client, runtime, principal } = this.#exchange;
    if (!client.fallback || names.length === 0) return NONE;
    return names.flatMap((name) => {
      const other = runtime.resolve(name);
      if (other === undefined || !allowsModel(principal.policy, other.name)) return [];
      if (!mayGoOver(this.#exchange, other)) return [];
      return this.candidatesOf(other, now);
    });
  }

  refusal(): SluiceError {
    return outOfBounds(this.#exchange, this.#bounds);
  }

  #permits({ provider }: Deployment): boolean {
    const allowed =
      forbiddenBy(this.#bounds, { provider: provider.name, region: provider.region }) === undefined;
    if (!allowed) this.forbidden = true;
    return allowed;
  }
}

/**
 * Which deployments to try, in order: those of the model by its strategy and health, then those of its fallback models.
 * Fallbacks the key may not use are left out, and so is everything where the request may not be processed; when nothing
 * is left by that, throws `region_refused`.
 */
export function createChooseRoute(ports: ChooseRoutePorts): <E extends Chosen>(exchange: E) => E & Route {
  return (exchange) => {
    const { route, fallbacks: named } = exchange.grant;
    const { fallbacks, fallbacksOn } = named ?? route;
    const choice = new Choice(ports, exchange);
    const now = ports.clock.monotonic();
    const own = choice.candidatesOf(route, now);
    // What a vendor stores cannot be continued by another model either.
    const others = choice.tie?.kind === 'state' ? NONE : choice.fallbacks(fallbacks, now);
    const all = others.length === 0 ? own : [...own, ...others];
    if (all.length === 0 && choice.forbidden) throw choice.refusal();
    const candidates = healthy(ports.fleet, all, now);
    const routed = exchange as typeof exchange & Route;
    routed.candidates = candidates;
    routed.spared = candidates.length === all.length ? NONE : all.filter((one) => !candidates.includes(one));
    routed.candidatesOn = (cause) => choice.fallbacks(fallbacksOn[cause] ?? [], ports.clock.monotonic());
    routed.tie = choice.tie;
    return routed;
  };
}
