import { SluiceError } from '../core/errors/error.ts';
import type { Lease, RateLimiter } from '../core/policy/rate.ts';
import type { RateLimits } from '../core/policy/virtual-key.ts';
import { FairQueue } from '../core/resilience/fair-queue.ts';
import type { Fleet, FleetCall, Outcome } from '../core/resilience/fleet.ts';
import { readLimitHeaders } from '../core/resilience/learned-limits.ts';
import type { Clock } from '../ports/clock.ts';
import type { Metrics } from '../ports/metrics.ts';
import { promptEstimate } from './estimate.ts';
import type { Exchange, Principal } from './exchange.ts';
import { ownCredential } from './prepare.ts';
import type { Deployment } from './runtime.ts';

/** A call that was let through to a deployment. `end` must be called once; later calls do nothing. */
export interface Place {
  readonly deployment: Deployment;
  /** What to authenticate with; the client's own where it brought one that fits. */
  readonly credential: string | undefined;
  /** Number of the credential in the provider's pool. */
  readonly index: number | undefined;
  /** The upstream's headers have come. */
  heard(headers: Readonly<Record<string, string>>): void;
  /** The answer has begun, `ms` after sending. */
  answered(ms: number, stream: boolean): void;
  /** `tokens`: what was really used, if known. Returns true when the deployment's circuit opened by this call. */
  end(outcome: Outcome, tokens?: number): boolean;
}

/** An exchange that wants to be let through. */
export type Asking = Exchange & { readonly principal: Principal };

interface Refused {
  readonly waitMs: number;
  /** Everything else would let it through; it is only a rest that a 429 asked for. */
  readonly resting: boolean;
}

interface Waiter {
  readonly exchange: Asking;
  readonly deployment: Deployment;
  resolve(place: Place): void;
}

interface Line {
  readonly queue: FairQueue<Waiter>;
  cancelTimer: (() => void) | undefined;
}

/** A lease that was never given back stops counting after this long. */
const LEASE_MS = 3_600_000;
/** Where only the end of another call can help, its end wakes the queue; this is for leases that were lost. */
const LONGEST_NAP_MS = 1000;

function isPlace(value: Place | Refused): value is Place {
  return 'deployment' in value;
}

/** How long this request may wait for a deployment: the queue's patience or the client's own, milliseconds. */
function patience(exchange: Asking, deployment: Deployment, now: number): number {
  const { timeoutMs } = exchange.client;
  const { maxWaitMs } = deployment.queue;
  if (timeoutMs === undefined) return maxWaitMs;
  return Math.max(0, Math.min(maxWaitMs, timeoutMs - (now - exchange.startedMono)));
}

/**
 * Lets calls through to deployments as their limits allow: those of the configuration, those learned from headers, and
 * rests asked for by a 429. Beyond them calls wait in a queue per deployment, fair between virtual keys, bounded in
 * length and time; who hangs up leaves it.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #fleet: Fleet;
  readonly #limiter: RateLimiter;
  readonly #metrics: Metrics;
  readonly #lines = new Map<string, Line>();

  constructor(ports: {
    readonly clock: Clock;
    readonly fleet: Fleet;
    readonly limiter: RateLimiter;
    readonly metrics: Metrics;
  }) {
    this.#clock = ports.clock;
    this.#fleet = ports.fleet;
    this.#limiter = ports.limiter;
    this.#metrics = ports.metrics;
  }

  /** Requests that wait for a deployment. */
  waiting(deployment: { readonly id: string }): number {
    return this.#lines.get(deployment.id)?.queue.length ?? 0;
  }

  /** Forgets limits' counts of deployments nobody calls any more. Call it now and then. */
  sweep(): void {
    this.#limiter.sweep(this.#clock.monotonic());
  }

  /** A place now, or `undefined`. Nobody is let through while others wait. */
  tryEnter(exchange: Asking, deployment: Deployment): Place | undefined {
    if (this.waiting(deployment) > 0) return undefined;
    const found = this.#ask(exchange, deployment, false);
    return isPlace(found) ? found : undefined;
  }

  /**
   * A place now or after waiting. `last`: there is nowhere else to go, so a rest that a 429 asked for is waited for, and
   * one longer than the queue's patience ignored. Throws `upstream_rate_limited` when the queue is full or the wait too long, and
   * `client_closed`.
   */
  async enter(exchange: Asking, deployment: Deployment, last: boolean): Promise<Place> {
    const { queue } = deployment;
    if (this.waiting(deployment) === 0) {
      const found = this.#ask(exchange, deployment, false);
      if (isPlace(found)) return found;
      // A rest is for the others to fill; only limits are worth waiting for while there is another way.
      if (found.resting && !last) throw this.#refusal(deployment, found.waitMs);
      if (found.waitMs > patience(exchange, deployment, this.#clock.monotonic())) {
        const forced = found.resting && last ? this.#ask(exchange, deployment, true) : found;
        if (isPlace(forced)) return forced;
        throw this.#refusal(deployment, forced.waitMs);
      }
    }
    if (this.waiting(deployment) >= queue.maxDepth) throw this.#refusal(deployment, 0);
    return await this.#wait(exchange, deployment);
  }

  #wait(exchange: Asking, deployment: Deployment): Promise<Place> {
    const line = this.#lineOf(deployment);
    const waitMs = patience(exchange, deployment, this.#clock.monotonic());
    const tenant = exchange.principal.key?.id ?? exchange.client.address;
    this.#metrics.count('sluice_upstream_queued_total', { provider: deployment.provider.name });
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        cancel();
        exchange.signal.removeEventListener('abort', onAbort);
        line.queue.remove(tenant, waiter);
        this.#drop(deployment.id, line);
      };
      const onAbort = (): void => {
        leave();
        reject(new SluiceError('client_closed', 'The client left while it waited for the provider.'));
      };
      const cancel = this.#clock.after(waitMs, () => {
        leave();
        const found = this.#ask(exchange, deployment, false);
        if (isPlace(found)) resolve(found);
        else reject(this.#refusal(deployment, found.waitMs));
      });
      const waiter: Waiter = {
        exchange,
        deployment,
        resolve: (place) => {
          leave();
          resolve(place);
        },
      };
      if (exchange.signal.aborted) {
        onAbort();
        return;
      }
      exchange.signal.addEventListener('abort', onAbort, { once: true });
      line.queue.push(tenant, waiter);
      this.#pump(deployment.id, line);
    });
  }

  /** Lets through whoever can go, in turn. */
  #pump(id: string, line: Line): void {
    line.cancelTimer?.();
    line.cancelTimer = undefined;
    for (let next = line.queue.peek(); next !== undefined; next = line.queue.peek()) {
      const found = this.#ask(next.exchange, next.deployment, false);
      if (!isPlace(found)) {
        const nap = found.waitMs > 0 ? Math.min(found.waitMs, LONGEST_NAP_MS) : LONGEST_NAP_MS;
        line.cancelTimer = this.#clock.after(Math.max(1, Math.ceil(nap)), () => this.#pump(id, line));
        return;
      }
      line.queue.shift();
      next.resolve(found);
    }
    this.#drop(id, line);
  }

  #ask(exchange: Asking, deployment: Deployment, ignoreRests: boolean): Place | Refused {
    const now = this.#clock.monotonic();
    const prompt = promptEstimate(exchange);
    const tokens = prompt + (exchange.envelope.maxOutputTokens ?? 0);
    // The estimate is made to be too high, and what a header leaves is not to be given away: half of it is the likely size.
    const need = { tokens: prompt / 2, ignoreRests };
    const own = ownCredential(exchange, deployment);
    const choice =
      own === undefined
        ? this.#fleet.chooseCredential(deployment, need, now)
        : ({ ready: true, index: undefined } as const);
    if (!choice.ready) return choice;
    const leases: Lease[] = [];
    for (const [id, limits] of scopesOf(deployment)) {
      const decision = this.#limiter.acquire(id, limits, { tokens, now, expiresAt: now + LEASE_MS });
      if (!decision.granted) {
        for (const lease of leases) lease.cancel(now);
        return { waitMs: decision.retryAfterMs, resting: false };
      }
      leases.push(decision.lease);
    }
    const { index } = choice;
    const call = this.#fleet.begin(deployment, { index, tokens: need.tokens }, now);
    const credential = own ?? (index === undefined ? undefined : deployment.provider.credentials[index]);
    return this.#place({ deployment, credential, index, call, leases, own: own !== undefined });
  }

  #place(taken: {
    readonly deployment: Deployment;
    readonly credential: string | undefined;
    readonly index: number | undefined;
    readonly call: FleetCall;
    readonly leases: readonly Lease[];
    /** A client's own credential: what becomes of it must not touch others. */
    readonly own: boolean;
  }): Place {
    const { deployment, credential, index, call, leases, own } = taken;
    const clock = this.#clock;
    return {
      deployment,
      credential,
      index,
      heard: (headers) => {
        const told = own ? undefined : readLimitHeaders(headers, clock.now());
        if (told !== undefined) call.learn(told, clock.monotonic());
      },
      answered: (ms, stream) => call.answered(ms, stream, clock.monotonic()),
      end: (outcome, tokens) => {
        const now = clock.monotonic();
        for (const lease of leases) lease.release(now, tokens);
        const personal = own && (outcome.kind === 'limited' || outcome.kind === 'refused');
        const opened = call.end(personal ? { kind: 'neutral' } : outcome, now);
        if (this.#lines.size > 0) this.#wake(deployment);
        return opened;
      },
    };
  }

  /** A place became free; those of the same provider may share a limit with it. */
  #wake(deployment: Deployment): void {
    for (const [id, line] of this.#lines) {
      if (line.queue.peek()?.deployment.provider.name === deployment.provider.name) this.#pump(id, line);
    }
  }

  #lineOf(deployment: Deployment): Line {
    let line = this.#lines.get(deployment.id);
    if (line === undefined) {
      line = { queue: new FairQueue(), cancelTimer: undefined };
      this.#lines.set(deployment.id, line);
    }
    return line;
  }

  #drop(id: string, line: Line): void {
    if (line.queue.length > 0) return;
    line.cancelTimer?.();
    line.cancelTimer = undefined;
    if (this.#lines.get(id) === line) this.#lines.delete(id);
  }

  /** Says honestly when a place can be expected: after those who wait already. */
  #refusal(deployment: Deployment, waitMs: number): SluiceError {
    const ahead = this.waiting(deployment);
    const rpm = Math.min(deployment.limits?.rpm ?? Infinity, deployment.providerLimits?.rpm ?? Infinity);
    const perRequestMs = Number.isFinite(rpm) ? 60_000 / rpm : 0;
    const afterMs = Math.max(1000, waitMs + ahead * perRequestMs);
    const { name } = deployment.provider;
    return new SluiceError(
      'upstream_rate_limited',
      `\`${name}\` is at its limits and ${ahead} requests wait for it. Try again later, or add a deployment or a fallback model.`,
      { provider: name, retryAfterS: Math.ceil(afterMs / 1000) },
    );
  }
}

/** Limits by what they count over: the provider's are shared by all its deployments. */
function scopesOf(deployment: Deployment): readonly (readonly [string, RateLimits])[] {
  const { limits, providerLimits } = deployment;
  if (limits === undefined && providerLimits === undefined) return NO_SCOPES;
  return [
    ...(providerLimits === undefined
      ? []
      : ([[`provider\n${deployment.provider.name}`, providerLimits]] as const)),
    ...(limits === undefined ? [] : ([[`deployment\n${deployment.id}`, limits]] as const)),
  ];
}

const NO_SCOPES: readonly (readonly [string, RateLimits])[] = [];
