import { abortRule } from '../core/policy/client-abort.ts';
import type { Clock } from '../ports/clock.ts';
import type { Exchange, Principal } from './exchange.ts';
import { tetherOf } from './tether.ts';

/** A runtime that says nothing allows so much. */
const DEFAULT = { maxConcurrent: 64, maxMs: 60_000 };

/**
 * Answers that are read to their end although the client left, because the key asks for exact bills
 * (`on_client_abort: drain`). Bounded in number and time; beyond the bounds the upstream is hung up on.
 */
export class Drains {
  readonly #clock: Clock;
  #running = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers read on right now. */
  get running(): number {
    return this.#running;
  }

  /** Prepares an exchange for its client's leaving, if its key wants that. Call before the upstream is called. */
  prepare(exchange: Exchange & { readonly principal: Principal }): void {
    if (abortRule(exchange.principal.key?.metadata) !== 'drain') return;
    const { maxConcurrent, maxMs } = exchange.runtime.abandoned ?? DEFAULT;
    const tether = tetherOf(exchange);
    const release = tether.hold();
    tether.onLeave(() => {
      if (this.#running >= maxConcurrent) {
        release();
        return;
      }
      this.#running++;
      const cancel = this.#clock.after(maxMs, release);
      tether.onEnd(() => {
        cancel();
        this.#running--;
      });
    });
  }
}
