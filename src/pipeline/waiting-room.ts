import { SluiceError } from '../core/errors/error.ts';
import { FairQueue } from '../core/resilience/fair-queue.ts';
import type { Clock } from '../ports/clock.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Asking, Place } from './admission.ts';
import type { Deployment, Runtime } from './runtime.ts';
import { urgencyOf } from './urgency.ts';

/** Why a request cannot go to a deployment now. */
export interface Refused {
  readonly waitMs: number;
  /** Everything else would let it through; it is only a rest that a 429 asked for. */
  readonly resting: boolean;
  /** A limit that all deployments of the provider share. */
  readonly shared: boolean;
}

export function isPlace(value: Place | Refused): value is Place {
  return 'deployment' in value;
}

/** What decides over those who wait. */
export interface Door {
  /** A place under the limits of `limits`, or why not. */
  ask(exchange: Asking, deployment: Deployment, limits: Deployment): Place | Refused;
  /** What who cannot wait (any longer) is told. */
  refusal(exchange: Asking, deployment: Deployment, waitMs: number): SluiceError;
}

interface Waiter {
  readonly exchange: Asking;
  readonly deployment: Deployment;
  settle(place: Place): void;
  fail(error: SluiceError): void;
}

/** Those who wait for one deployment. */
interface Line {
  readonly id: string;
  readonly provider: string;
  readonly queue: FairQueue<Waiter>;
  /** The deployment as the newest configuration has it: its limits count for all who wait. */
  newest: Deployment | undefined;
  /** The first in turn waits for a limit that all deployments of the provider share. */
  shared: boolean;
  cancelTimer: (() => void) | undefined;
}

/** Where only the end of another call can help, its end wakes the line; this is for leases that were lost. */
const LONGEST_NAP_MS = 1000;

/**
 * Requests that wait for deployments at their limits: a fair queue for each deployment. Whoever waits is let through in
 * turn, refused at its deadline, or leaves when its client hangs up.
 */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #door: Door;
  readonly #lines = new Map<string, Line>();

  constructor(ports: { readonly clock: Clock; readonly metrics: Metrics; readonly door: Door }) {
    this.#clock = ports.clock;
    this.#metrics = ports.metrics;
    this.#door = ports.door;
  }

  /** Requests that wait for a deployment. */
  length(deployment: { readonly id: string }): number {
    return this.#lines.get(deployment.id)?.queue.length ?? 0;
  }

  /** Whether somebody would be passed over if a newcomer were let through. */
  isAhead(deployment: Deployment): boolean {
    if (this.#lines.size === 0) return false;
    if (this.length(deployment) > 0) return true;
    if (deployment.providerLimits === undefined) return false;
    for (const line of this.#lines.values()) {
      if (line.shared && line.provider === deployment.provider.name) return true;
    }
    return false;
  }

  /** Waits for a place. Throws what the door refuses with, or `client_closed`. */
  wait(exchange: Asking, deployment: Deployment, patienceMs: number): Promise<Place> {
    const line = this.#lineOf(deployment);
    const since = this.#clock.monotonic();
    const { signal, facts, principal, client } = exchange;
    return new Promise((resolve, reject) => {
      let position = 0;
      let waits = true;
      const leave = (): void => {
        waits = false;
        signal.removeEventListener('abort', onAbort);
        const waitMs = (facts.queue?.waitMs ?? 0) + this.#clock.monotonic() - since;
        if (position > 0) facts.queue = { position, waitMs };
      };
      const waiter: Waiter = {
        exchange,
        deployment,
        settle: (place) => {
          leave();
          resolve(place);
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const onAbort = (): void => {
        line.queue.remove(waiter);
        this.#tidy(line);
        waiter.fail(new SluiceError('client_closed', 'The client left while it waited for the provider.'));
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      const joined = line.queue.push(waiter, {
        tenant: principal.key?.id ?? client.address,
        ...urgencyOf(principal.key, client),
        deadline: since + patienceMs,
        maxLength: deployment.queue.maxDepth,
      });
      if (joined === undefined) {
        this.#tidy(line);
        waiter.fail(this.#door.refusal(exchange, deployment, 0));
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      joined.displaced?.fail(this.#door.refusal(joined.displaced.exchange, deployment, 0));
      // Who is let through at once has not waited.
      this.#pump(line);
      if (!waits) return;
      position = joined.position;
      this.#metrics.count('sluice_upstream_queued_total', { provider: deployment.provider.name });
    });
  }

  /** A place became free at a provider: lets those through who can go, lines in turn. */
  freed(deployment: Deployment): void {
    if (this.#lines.size === 0) return;
    const provider = deployment.provider.name;
    let moved = true;
    while (moved) {
      moved = false;
      for (const line of [...this.#lines.values()]) {
        if (line.provider !== provider || !this.#serveOne(line)) continue;
        moved = true;
        // Last next time, so that lines that share a limit share its places.
        if (this.#lines.delete(line.id)) this.#lines.set(line.id, line);
        this.#tidy(line);
        break;
      }
    }
  }

  /** A new configuration: its limits hold for those who wait already. */
  adopt(runtime: Pick<Runtime, 'deployments'>): void {
    for (const line of [...this.#lines.values()]) {
      line.newest = runtime.deployments?.find(({ id }) => id === line.id);
      this.#pump(line);
    }
  }

  /** Lets through whoever can go, in turn, and sees to it that the line is looked at again in time. */
  #pump(line: Line): void {
    line.cancelTimer?.();
    line.cancelTimer = undefined;
    while (this.#serveOne(line)) {
      // One after the other until the first in turn has to wait.
    }
    this.#tidy(line);
  }

  /** Lets the first in turn through if it can go. */
  #serveOne(line: Line): boolean {
    const next = line.queue.peek();
    if (next === undefined) return false;
    const found = this.#door.ask(next.exchange, next.deployment, line.newest ?? next.deployment);
    if (isPlace(found)) {
      line.queue.shift();
      next.settle(found);
      return true;
    }
    line.shared = found.shared;
    const nap = found.waitMs > 0 ? Math.min(found.waitMs, LONGEST_NAP_MS) : LONGEST_NAP_MS;
    const untilDeadline = line.queue.nextDeadline() - this.#clock.monotonic();
    line.cancelTimer?.();
    line.cancelTimer = this.#clock.after(Math.max(1, Math.ceil(Math.min(nap, untilDeadline))), () => {
      this.#pump(line);
      this.#expire(line);
    });
    return false;
  }

  /** Refuses those whose deadline has passed. */
  #expire(line: Line): void {
    const late = line.queue.expire(this.#clock.monotonic());
    if (late.length === 0) return;
    for (const waiter of late) {
      const limits = line.newest ?? waiter.deployment;
      const found = this.#door.ask(waiter.exchange, waiter.deployment, limits);
      if (isPlace(found)) waiter.settle(found);
      else waiter.fail(this.#door.refusal(waiter.exchange, waiter.deployment, found.waitMs));
    }
    this.#pump(line);
  }

  #lineOf(deployment: Deployment): Line {
    let line = this.#lines.get(deployment.id);
    if (line === undefined) {
      line = {
        id: deployment.id,
        provider: deployment.provider.name,
        queue: new FairQueue(),
        newest: undefined,
        shared: false,
        cancelTimer: undefined,
      };
      this.#lines.set(deployment.id, line);
    }
    return line;
  }

  #tidy(line: Line): void {
    if (line.queue.length > 0) return;
    line.cancelTimer?.();
    line.cancelTimer = undefined;
    if (this.#lines.get(line.id) === line) this.#lines.delete(line.id);
  }
}
