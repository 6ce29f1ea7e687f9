import { usdToNano } from '../../core/cost/money.ts';
import { DAY_MS } from '../../core/durations.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LabelStore } from '../../ports/label-store.ts';

interface Day {
  readonly start: number;
  /** Spent for certain, nano-dollars. */
  spent: number;
  /** Set aside for calls under way. */
  held: number;
}

/** What one run may still spend. */
export interface Lease {
  /** Sets the worst case of one more call aside; false when the day's cap cannot hold it. */
  mayCost(worstNano: number): boolean;
  /** The run is over: what it cost takes the place of what was set aside. */
  settle(costNano: number): void;
}

/** What shadow calls may cost a router in a UTC day, restarts included. */
export class DailyCap {
  readonly #labels: LabelStore;
  readonly #clock: Clock;
  readonly #days = new Map<string, Promise<Day>>();

  constructor(labels: LabelStore, clock: Clock) {
    this.#labels = labels;
    this.#clock = clock;
  }

  /** Opens a run. Rejects when what earlier processes spent cannot be found out. */
  async lease(router: string, capUsd: string | number): Promise<Lease> {
    const cap = usdToNano(capUsd);
    const day = await this.#day(router);
    let held = 0;
    return {
      mayCost(worstNano) {
        if (day.spent + day.held + worstNano > cap) return false;
        held += worstNano;
        day.held += worstNano;
        return true;
      },
      settle(costNano) {
        day.held -= held;
        held = 0;
        day.spent += costNano;
      },
    };
  }

  async #day(router: string): Promise<Day> {
    const start = Math.floor(this.#clock.now() / DAY_MS) * DAY_MS;
    const known = await this.#days.get(router);
    if (known !== undefined && known.start === start) return known;
    const opened = this.#labels.spent(router, start).then((spent) => ({ start, spent, held: 0 }));
    this.#days.set(router, opened);
    opened.catch(() => this.#days.delete(router));
    return opened;
  }
}
