import type { Outbox } from '../../ports/outbox.ts';

/**
 * Collects what many want to send and sends it in one go. Each write on its own wakes the process at the other end, which has gone
 * to sleep since the last one; a wake-up is the dearest part of a small write (docs/decisions/0019-sent-together.md).
 */
export class TurnOutbox implements Outbox {
  readonly #schedule: (flush: () => void) => void;
  readonly #flush = (): void => this.#send();
  #waiting: (() => void)[] = [];

  /** `schedule` says when: `process.nextTick` after the work at hand, `setImmediate` after the work for all that has arrived. */
  constructor(schedule: (flush: () => void) => void) {
    this.#schedule = schedule;
  }

  add(send: () => void): void {
    if (this.#waiting.length === 0) this.#schedule(this.#flush);
    this.#waiting.push(send);
  }

  #send(): void {
    const sends = this.#waiting;
    this.#waiting = [];
    let sent = 0;
    try {
      for (const send of sends) {
        sent++;
        send();
      }
    } finally {
      // One that throws keeps nobody else from sending.
      if (sent < sends.length) {
        this.#waiting = [...sends.slice(sent), ...this.#waiting];
        this.#schedule(this.#flush);
      }
    }
  }
}
