import type { JointDecision, LimitQueue } from '../core/policy/rate-rule.ts';
import { FairQueue } from '../core/resilience/fair-queue.ts';
import type { Clock } from '../ports/clock.ts';

/** Where only the end of another request can help, its end wakes the queue; this is for leases that were lost. */
export const LONGEST_NAP_MS = 1000;

/** Someone who waits for a limit. */
export interface Waiting {
  readonly tenant: string;
  readonly signal: AbortSignal;
  /** Asks again. */
  readonly ask: () => JointDecision;
}

interface Waiter extends Waiting {
  resolve(decision: JointDecision): void;
}

interface Line {
  readonly queue: FairQueue<Waiter>;
  cancelTimer: (() => void) | undefined;
}

/** Requests that wait for a rate limit instead of being refused: bounded in number and time, fair between keys. */
export class RateQueue {
  readonly #clock: Clock;
  readonly #longestNapMs: () => number;
  readonly #lines = new Map<string, Line>();

  constructor(clock: Clock, longestNapMs = () => LONGEST_NAP_MS) {
    this.#clock = clock;
    this.#longestNapMs = longestNapMs;
  }

  /** Somebody waits for this limit already, so nobody goes first. */
  isBusy(id: string): boolean {
    return this.#lines.has(id);
  }

  /** Requests that wait. */
  get waiting(): number {
    let count = 0;
    for (const { queue } of this.#lines.values()) count += queue.length;
    return count;
  }

  /** The decision after waiting; the refusal itself when there is no room, when the time is over, or the client left. */
  wait(
    place: { readonly id: string; readonly line: LimitQueue },
    waiting: Waiting,
    refused: JointDecision,
  ): Promise<JointDecision> {
    const { line: limit, id } = place;
    if (waiting.signal.aborted) return Promise.resolve(refused);
    const line = this.#lineOf(id);
    const { clock } = { clock: this.#clock };
    return new Promise((resolve) => {
      const leave = (decision: JointDecision): void => {
        cancel();
        waiting.signal.removeEventListener('abort', onAbort);
        line.queue.remove(waiter);
        this.#drop(id, line);
        resolve(decision);
      };
      const onAbort = (): void => leave(refused);
      const cancel = clock.after(limit.maxWaitMs, () => leave(waiting.ask()));
      const waiter: Waiter = { ...waiting, resolve: leave };
      const joined = line.queue.push(waiter, {
        tenant: waiting.tenant,
        priority: 'normal',
        weight: 1,
        deadline: clock.monotonic() + limit.maxWaitMs,
        maxLength: limit.maxWaiting,
      });
      if (joined === undefined) {
        leave(refused);
        return;
      }
      waiting.signal.addEventListener('abort', onAbort, { once: true });
      this.#pump(id, line);
    });
  }

  /** Something was given back: whoever can go now goes. */
  wake(): void {
    for (const [id, line] of this.#lines) this.#pump(id, line);
  }

  #pump(id: string, line: Line): void {
    line.cancelTimer?.();
    line.cancelTimer = undefined;
    for (let next = line.queue.peek(); next !== undefined; next = line.queue.peek()) {
      const decision = next.ask();
      if (!decision.granted) {
        const wanted = decision.retryAfterMs > 0 ? decision.retryAfterMs : LONGEST_NAP_MS;
        const nap = Math.max(1, Math.ceil(Math.min(wanted, this.#longestNapMs())));
        line.cancelTimer = this.#clock.after(nap, () => this.#pump(id, line));
        return;
      }
      line.queue.shift();
      next.resolve(decision);
    }
    this.#drop(id, line);
  }

  #lineOf(id: string): Line {
    let line = this.#lines.get(id);
    if (line === undefined) {
      line = { queue: new FairQueue(), cancelTimer: undefined };
      this.#lines.set(id, line);
    }
    return line;
  }

  #drop(id: string, line: Line): void {
    if (line.queue.length > 0) return;
    line.cancelTimer?.();
    line.cancelTimer = undefined;
    if (this.#lines.get(id) === line) this.#lines.delete(id);
  }
}
