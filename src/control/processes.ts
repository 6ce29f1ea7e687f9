import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { ProcessRegister } from '../ports/processes.ts';

/** How often figures are told to the others and asked from them. */
const TICK_MS = 250;
/** The others acknowledge within a tick; one that does not in this time is stopped, and lets nothing through. */
const JOIN_MS = 10_000;
const JOIN_POLL_MS = 50;

/** Figures that processes share: each keeps its own in memory and tells the others only while there are any. */
export interface Shared {
  /** Other processes run, or none does any longer. */
  share(active: boolean): void;
  /** Resolves when all that was counted before is written down for the others. */
  publish(): Promise<void>;
  /** Learns what the others have changed; `all`: processes came or went. */
  refresh(all: boolean): Promise<void>;
}

interface ProcessPorts {
  readonly store: { readonly processes: ProcessRegister };
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * This process among those on the same database, see `ProcessRegister`. Alone it does nothing but ask now and then whether
 * it still is.
 */
export class Processes {
  /** What was counted before can be learned from nobody who runs. */
  readonly first: boolean;
  /** The same, and nobody who is stopped has written anything down. */
  readonly eldest: boolean;
  readonly #ports: ProcessPorts;
  #shared: readonly Shared[] = [];
  #acknowledged = 0;
  #failing = false;
  #closed = false;
  #ticking: Promise<void> | undefined;
  #cancel: () => void = () => undefined;

  private constructor(ports: ProcessPorts, found: { readonly eldest: boolean; readonly silent: boolean }) {
    this.#ports = ports;
    this.eldest = found.eldest;
    this.first = found.eldest || found.silent;
  }

  /** Joins the others: resolves when all of them know, or do not answer. */
  static async join(ports: ProcessPorts): Promise<Processes> {
    const { clock, log } = ports;
    const { processes } = ports.store;
    await processes.takeOver();
    const version = await processes.join();
    const until = clock.monotonic() + JOIN_MS;
    let silent = false;
    while (!silent && !(await processes.isAcknowledged(version))) {
      silent = clock.monotonic() > until;
      if (silent) log.warn('processes.silent', { waited_ms: JOIN_MS });
      else await new Promise<void>((resolve) => clock.after(JOIN_POLL_MS, resolve));
    }
    // Only now: what a process left behind that was killed looked like one that runs until another took its number.
    return new Processes(ports, { eldest: await processes.isEldest(version), silent });
  }

  /** Keeps these in step from now on; resolves when they are. */
  async keepInStep(shared: readonly Shared[]): Promise<void> {
    this.#shared = shared;
    await this.#tick();
    this.#again();
  }

  /** Leaves. Everything must be settled and in the store. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#ticking;
    const all = this.#shared.map((shared) => shared.publish());
    await Promise.allSettled(all);
    await this.#ports.store.processes.leave().catch(() => undefined);
  }

  #again(): void {
    if (this.#closed) return;
    this.#cancel = this.#ports.clock.after(TICK_MS, () => {
      this.#ticking = this.#poll();
    });
  }

  async #poll(): Promise<void> {
    try {
      await this.#tick();
      this.#failing = false;
    } catch (error) {
      if (!this.#failing && !this.#closed) {
        this.#ports.log.warn('processes.share_failed', { error: String(error) });
      }
      this.#failing = true;
    }
    this.#again();
  }

  async #tick(): Promise<void> {
    const { processes } = this.#ports.store;
    const news = await processes.news();
    for (const shared of this.#shared) shared.share(news.others > 0);
    for (const shared of this.#shared) await shared.publish();
    // Only now: from here on every request asks, and what ran before is written down.
    if (news.newest > this.#acknowledged) {
      await processes.acknowledge(news.newest);
      this.#acknowledged = news.newest;
    }
    for (const shared of this.#shared) await shared.refresh(news.changed);
  }
}
