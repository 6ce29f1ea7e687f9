import { SluiceError } from '../core/errors/error.ts';
import type { Lease, RateLimiter } from '../core/policy/rate.ts';
import type { RateLimits } from '../core/policy/virtual-key.ts';
import { DrainRate } from '../core/resilience/drain-rate.ts';
import type { Fleet, Need } from '../core/resilience/fleet.ts';
import { readLimitHeaders } from '../core/resilience/limit-headers.ts';
import type { FleetCall, Outcome } from '../core/resilience/member.ts';
import type { Clock } from '../ports/clock.ts';
import type { Metrics } from '../ports/metrics.ts';
import { promptEstimate } from './estimate.ts';
import type { Exchange, Principal, Tie } from './exchange.ts';
import { ownCredential } from './prepare.ts';
import type { Deployment, Runtime } from './runtime.ts';
import { isPlace, type Refused, WaitingRoom } from './waiting-room.ts';

/** A call that was let through to a deployment. `end` must be called once; later calls do nothing. */
export interface Place {
  readonly deployment: Deployment;
  /** What to authenticate with; the client's own where it brought one that fits. */
  readonly credential: string | undefined;
  /** Number of the credential in the provider's pool; absent where no other could take its place. */
  readonly index: number | undefined;
  /** The upstream's headers have come. */
  heard(headers: Readonly<Record<string, string>>): void;
  /** The answer has begun, `ms` after sending. */
  answered(ms: number, stream: boolean): void;
  /** `tokens`: what was really used, if known. Returns true when the deployment's circuit opened by this call. */
  end(outcome: Outcome, tokens?: number): boolean;
}

/** An exchange that wants to be let through. */
export type Asking = Exchange & { readonly principal: Principal; readonly tie?: Tie | undefined };

/** A lease that was never given back stops counting after this long. */
const LEASE_MS = 3_600_000;

/** How long this request may wait for a deployment: the queue's patience or the client's own, milliseconds. */
function patience(exchange: Asking, deployment: Deployment, now: number): number {
  const { timeoutMs } = exchange.client;
  const { maxWaitMs } = deployment.queue;
  if (timeoutMs === undefined) return maxWaitMs;
  return Math.max(0, Math.min(maxWaitMs, timeoutMs - (now - exchange.startedMono)));
}

/**
 * Lets calls through to deployments as their limits allow: those of the configuration, those learned from headers, and
 * rests asked for by a 429. Beyond them calls wait, see {@link WaitingRoom}.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #fleet: Fleet;
  readonly #limiter: RateLimiter;
  readonly #room: WaitingRoom;
  /** How fast places become free, by what the limits count over. Only where there are limits. */
  readonly #rates = new Map<string, DrainRate>();
  readonly #doors: Doors;

  constructor(ports: {
    readonly clock: Clock;
    readonly fleet: Fleet;
    readonly limiter: RateLimiter;
    readonly metrics: Metrics;
  }) {
    this.#clock = ports.clock;
    this.#fleet = ports.fleet;
    this.#limiter = ports.limiter;
    this.#doors = {
      clock: ports.clock,
      freed: (deployment, limited, now) => this.#freed(deployment, limited, now),
    };
    this.#room = new WaitingRoom({
      ...ports,
      door: {
        ask: (exchange, deployment, limits) => this.#ask(exchange, deployment, { limits }),
        refusal: (exchange, deployment, waitMs) => this.#refusal(exchange, deployment, waitMs),
      },
    });
  }

  /** Requests that wait for a deployment. */
  waiting(deployment: { readonly id: string }): number {
    return this.#room.length(deployment);
  }

  /** Forgets limits' counts of deployments nobody calls any more. Call it now and then. */
  sweep(): void {
    const now = this.#clock.monotonic();
    this.#limiter.sweep(now);
    for (const [name, rate] of this.#rates) if (rate.waitFor(1, now) === undefined) this.#rates.delete(name);
  }

  /** A new configuration: those who wait already are let through by its limits. */
  adopt(runtime: Pick<Runtime, 'deployments'>): void {
    this.#room.adopt(runtime);
  }

  /** A place now, or `undefined`. Nobody is let through while others wait. */
  tryEnter(exchange: Asking, deployment: Deployment): Place | undefined {
    if (this.#room.isAhead(deployment)) return undefined;
    const found = this.#ask(exchange, deployment, { limits: deployment });
    return isPlace(found) ? found : undefined;
  }

  /**
   * A place now or after waiting. `last`: there is nowhere else to go, so a rest that a 429 asked for is waited for, and
   * one longer than the queue's patience ignored. Throws `upstream_rate_limited` when the queue is full or the wait too long, and
   * `client_closed`.
   */
  async enter(exchange: Asking, deployment: Deployment, last: boolean): Promise<Place> {
    const patienceMs = patience(exchange, deployment, this.#clock.monotonic());
    if (!this.#room.isAhead(deployment)) {
      const found = this.#ask(exchange, deployment, { limits: deployment });
      if (isPlace(found)) return found;
      // A rest is for the others to fill; only limits are worth waiting for while there is another way.
      if (found.resting && !last) throw this.#refusal(exchange, deployment, found.waitMs);
      if (found.waitMs > patienceMs) {
        const forced =
          found.resting && last
            ? this.#ask(exchange, deployment, { limits: deployment, ignoreRests: true })
            : found;
        if (isPlace(forced)) return forced;
        throw this.#refusal(exchange, deployment, forced.waitMs);
      }
    }
    return await this.#room.wait(exchange, deployment, patienceMs);
  }

  #ask(
    exchange: Asking,
    deployment: Deployment,
    { limits, ignoreRests = false }: { readonly limits: Deployment; readonly ignoreRests?: boolean },
  ): Place | Refused {
    const now = this.#clock.monotonic();
    const prompt = promptEstimate(exchange);
    const own = ownCredential(exchange, deployment);
    const { tie } = exchange;
    const home = tie?.deployment === deployment.id ? tie : undefined;
    const only = home !== undefined && home.kind !== 'session';
    const need: Need = {
      // The estimate is made to be too high, and what a header leaves is not to be given away: half of it is the likely size.
      tokens: { prompt: prompt / 2, output: 1 },
      ignoreRests,
      preferred: home?.credential,
      only,
    };
    const choice =
      own === undefined
        ? this.#fleet.chooseCredential(deployment, need, now)
        : ({ ready: true, index: undefined } as const);
    if (!choice.ready) return { ...choice, shared: false };
    const tokens = prompt + (exchange.envelope.maxOutputTokens ?? 0);
    const leases = this.#lease(limits, tokens, now);
    if (!('length' in leases)) return leases;
    const { index } = choice;
    const call = this.#fleet.begin(deployment, { index, tokens: need.tokens }, now);
    exchange.facts.credential = this.#fleet.markOf(deployment, index);
    return new Entered(this.#doors, { deployment, index, call, leases, own, tied: only });
  }

  /** Places in the configured limits, all or none. */
  #lease(limits: Deployment, tokens: number, now: number): readonly Lease[] | Refused {
    const scopes = scopesOf(limits);
    if (scopes.length === 0) return NO_LEASES;
    const leases: Lease[] = [];
    for (const { id, rates, shared } of scopes) {
      const decision = this.#limiter.acquire(id, rates, { tokens, now, expiresAt: now + LEASE_MS });
      if (!decision.granted) {
        for (const lease of leases) lease.cancel(now);
        return { waitMs: decision.retryAfterMs, resting: false, shared };
      }
      leases.push(decision.lease);
    }
    return leases;
  }

  /** A call is over and its place free. */
  #freed(deployment: Deployment, limited: boolean, now: number): void {
    if (limited || this.#room.length(deployment) > 0) this.#rateOf(deployment).freed(now);
    this.#room.freed(deployment);
  }

  #rateOf(deployment: Deployment): DrainRate {
    const name = deployment.providerLimits === undefined ? deployment.id : deployment.provider.name;
    let rate = this.#rates.get(name);
    if (rate === undefined) {
      rate = new DrainRate();
      this.#rates.set(name, rate);
    }
    return rate;
  }

  /** Says honestly when a place can be expected: after those who wait already, at the pace of the last minute. */
  #refusal(exchange: Asking, deployment: Deployment, waitMs: number): SluiceError {
    const ahead = this.waiting(deployment);
    const aheadMs = ahead === 0 ? 0 : this.#drainMs(exchange, deployment, ahead);
    const { name } = deployment.provider;
    const afterS = Math.min(
      Math.ceil(Math.max(1000, waitMs + aheadMs) / 1000),
      exchange.runtime.maxRetryAfterS,
    );
    return new SluiceError(
      'upstream_rate_limited',
      `\`${name}\` is at its limits and ${ahead} requests wait for it. Try again later, or add a deployment or a fallback model.`,
      { provider: name, retryAfterS: Math.max(1, afterS) },
    );
  }

  #drainMs(exchange: Asking, deployment: Deployment, count: number): number {
    const now = this.#clock.monotonic();
    const seen = this.#rateOf(deployment).waitFor(count, now);
    if (seen !== undefined) return seen;
    const { limits, providerLimits } = deployment;
    const rpm = Math.min(limits?.rpm ?? Infinity, providerLimits?.rpm ?? Infinity);
    const atOnce = Math.min(limits?.concurrency ?? Infinity, providerLimits?.concurrency ?? Infinity);
    const latencyMs = this.#fleet.latency(deployment, exchange.envelope.stream, now);
    return Math.max((count * 60_000) / rpm, (count * latencyMs) / atOnce);
  }
}

/** What becomes of those who were let through. */
interface Doors {
  readonly clock: Clock;
  readonly freed: (deployment: Deployment, limited: boolean, now: number) => void;
}

/** How a call was let through. */
interface Taken {
  readonly deployment: Deployment;
  readonly index: number | undefined;
  readonly call: FleetCall;
  readonly leases: readonly Lease[];
  /** A client's own credential: what becomes of it must not touch others. */
  readonly own: string | undefined;
  readonly tied: boolean;
}

class Entered implements Place {
  readonly deployment: Deployment;
  readonly credential: string | undefined;
  readonly index: number | undefined;
  readonly #doors: Doors;
  readonly #taken: Taken;
  #open = true;

  constructor(doors: Doors, taken: Taken) {
    const { deployment, index, own } = taken;
    this.#doors = doors;
    this.#taken = taken;
    this.deployment = deployment;
    this.credential = own ?? (index === undefined ? undefined : deployment.provider.credentials[index]);
    this.index = taken.tied ? undefined : index;
  }

  heard(headers: Readonly<Record<string, string>>): void {
    const { own, call } = this.#taken;
    if (own !== undefined) return;
    const { clock } = this.#doors;
    const told = readLimitHeaders(headers, clock.now());
    if (told !== undefined) call.learn(told, clock.monotonic());
  }

  answered(ms: number, stream: boolean): void {
    this.#taken.call.answered(ms, stream, this.#doors.clock.monotonic());
  }

  end(outcome: Outcome, tokens?: number): boolean {
    if (!this.#open) return false;
    this.#open = false;
    const { own, call, leases } = this.#taken;
    const now = this.#doors.clock.monotonic();
    for (const lease of leases) lease.release(now, tokens);
    const personal = own !== undefined && (outcome.kind === 'limited' || outcome.kind === 'refused');
    const opened = call.end(personal ? NEUTRAL : outcome, now);
    this.#doors.freed(this.deployment, leases.length > 0, now);
    return opened;
  }
}

const NEUTRAL: Outcome = { kind: 'neutral' };

interface LimitScope {
  readonly id: string;
  readonly rates: RateLimits;
  /** The provider's: shared by all its deployments. */
  readonly shared: boolean;
}

const NO_SCOPES: readonly LimitScope[] = [];
const NO_LEASES: readonly Lease[] = [];

/** Limits by what they count over. */
function scopesOf({ id, provider, limits, providerLimits }: Deployment): readonly LimitScope[] {
  if (limits === undefined && providerLimits === undefined) return NO_SCOPES;
  const scopes: LimitScope[] = [];
  if (providerLimits !== undefined) {
    scopes.push({ id: `provider\n${provider.name}`, rates: providerLimits, shared: true });
  }
  if (limits !== undefined) scopes.push({ id: `deployment\n${id}`, rates: limits, shared: false });
  return scopes;
}
