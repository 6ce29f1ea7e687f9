import { SluiceError } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { TurnStore } from '../ports/turn-store.ts';

/** A turn is prolonged while it lasts; that of a process that stopped ends by itself. */
const TURN_MS = 30_000;
const PROLONG_MS = 10_000;
/** Another process has the turn: asked again after so long, for so long. */
const FIRST_NAP_MS = 5;
const LONGEST_NAP_MS = 100;
const PATIENCE_MS = 60_000;

export interface TurnPorts {
  readonly store: { readonly turns: TurnStore };
  readonly clock: Clock;
}

/** Runs what belongs to the same name one after the other, also in other processes on the same database. */
export class Turns {
  readonly #ports: TurnPorts;
  readonly #kind: string;
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(ports: TurnPorts, kind: string) {
    this.#ports = ports;
    this.#kind = kind;
  }

  /** Throws `overloaded` when another process has the turn for too long, and what `work` throws. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.then(
      () => this.#alone(name, work),
      () => this.#alone(name, work),
    );
    const settled = mine.catch(() => undefined);
    this.#last.set(name, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === settled) this.#last.delete(name);
    }
  }

  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { turns } = this.#ports.store;
    const turn = `${this.#kind}/${name}`;
    await this.#take(turn);
    const stop = this.#prolong(turn);
    try {
      return await work();
    } finally {
      stop();
      // What cannot be given back ends by itself.
      await turns.give(turn).catch(() => undefined);
    }
  }

  async #take(turn: string): Promise<void> {
    const { store, clock } = this.#ports;
    const until = clock.monotonic() + PATIENCE_MS;
    for (let nap = FIRST_NAP_MS; ; nap = Math.min(LONGEST_NAP_MS, nap * 2)) {
      const now = clock.monotonic();
      if (await store.turns.take(turn, now, now + TURN_MS)) return;
      if (now > until) {
        throw new SluiceError('overloaded', 'Another change of the same thing is under way; try again.', {
          retryAfterS: 5,
        });
      }
      await new Promise<void>((resolve) => clock.after(nap, resolve));
    }
  }

  #prolong(turn: string): () => void {
    const { store, clock } = this.#ports;
    let cancel: () => void = () => undefined;
    const again = (): void => {
      cancel = clock.after(PROLONG_MS, () => {
        const now = clock.monotonic();
        store.turns.take(turn, now, now + TURN_MS).catch(() => undefined);
        again();
      });
    };
    again();
    return () => cancel();
  }
}
