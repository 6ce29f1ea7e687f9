import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Store } from '../ports/store.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { PlaceDirectory } from './place-directory.ts';

/** A change made elsewhere is taken over within twice this. */
const POLL_MS = 500;

export interface ChangeWatchPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: KeyDirectory;
  readonly places: PlaceDirectory;
}

/** What others keep in memory. */
type Heard = 'budgets' | 'prices';

/**
 * Takes over what other processes changed about keys, places, budgets, limits and prices, so that a key revoked by one is refused by all. What
 * this process changed itself it knows at once.
 */
export class ChangeWatch {
  readonly #ports: ChangeWatchPorts;
  readonly #heard: Partial<Record<Heard, () => Promise<void>>> = {};
  #version = -1;
  #failing = false;
  #closed = false;
  #cancel: () => void = () => undefined;

  private constructor(ports: ChangeWatchPorts) {
    this.#ports = ports;
  }

  /** Reads everything and goes on watching. Throws what the store throws. */
  static async open(ports: ChangeWatchPorts): Promise<ChangeWatch> {
    const watch = new ChangeWatch(ports);
    ports.places.onChange(() => ports.directory.recompile());
    await watch.check();
    watch.#again();
    return watch;
  }

  /** Calls back when another process (or this one) changed budgets, limits or prices. One listener each. */
  on(what: Heard, changed: () => Promise<void>): void {
    this.#heard[what] = changed;
  }

  /** Takes over what changed since the last time. */
  async check(): Promise<void> {
    const { store, directory, places } = this.#ports;
    // The version first: what changes while the rest is read is read again next time.
    const changes = await store.places.changesSince(this.#version);
    if (changes.everything) {
      await places.load();
      await directory.load();
    } else {
      if (changes.places) await places.load();
      for (const id of changes.keys) await directory.refresh(id);
    }
    if (changes.everything || changes.budgets) await this.#heard.budgets?.();
    if (changes.everything || changes.prices) await this.#heard.prices?.();
    this.#version = changes.version;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #again(): void {
    if (!this.#closed) this.#cancel = this.#ports.clock.after(POLL_MS, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    try {
      await this.check();
      this.#failing = false;
    } catch (error) {
      // The last snapshot stays: a storage that is down must not turn good keys into unknown ones.
      if (!this.#failing && !this.#closed) {
        this.#ports.log.warn('identity.refresh_failed', { error: String(error) });
      }
      this.#failing = true;
    }
    this.#again();
  }
}
