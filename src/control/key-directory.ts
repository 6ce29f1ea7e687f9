import { type BudgetBook, windowStartOf } from '../core/policy/budget.ts';
import { createKeySnapshot, type KeySnapshot } from '../core/policy/key-snapshot.ts';
import type { BudgetWindow, VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';

const WINDOWS: readonly BudgetWindow[] = ['hour', 'day', 'week', 'month', 'total'];

/**
 * The keys in memory: what the data plane reads. Changes are stored first and then swapped in as a new snapshot, so a
 * blocked key is refused from the next request on.
 */
export class KeyDirectory {
  readonly #store: Store;
  readonly #book: BudgetBook;
  readonly #clock: Clock;
  #keys = new Map<string, VirtualKey>();
  #snapshot: KeySnapshot = createKeySnapshot([]);

  constructor(ports: { readonly store: Store; readonly book: BudgetBook; readonly clock: Clock }) {
    this.#store = ports.store;
    this.#book = ports.book;
    this.#clock = ports.clock;
  }

  /** Reads every key and what each budget has spent in its current window. */
  async load(): Promise<void> {
    const keys = await this.#store.keys.active();
    const now = this.#clock.now();
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    const used = new Set(keys.flatMap((key) => (key.budget === undefined ? [] : [key.budget.window])));
    for (const window of WINDOWS) {
      if (!used.has(window)) continue;
      const spent = await this.#store.usage.totalsByKey(windowStartOf(window, now));
      for (const key of keys) {
        if (key.budget?.window !== window) continue;
        this.#book.define(key.id, key.budget, { now, settledNano: spent.get(key.id) ?? 0 });
      }
    }
    this.#swap();
  }

  snapshot(): KeySnapshot {
    return this.#snapshot;
  }

  get(id: string): VirtualKey | undefined {
    return this.#keys.get(id);
  }

  /** Takes over a key that was stored. */
  async put(key: VirtualKey): Promise<void> {
    const before = this.#keys.get(key.id)?.budget;
    this.#keys.set(key.id, key);
    await this.#defineBudget(key, before?.window);
    this.#swap();
  }

  /** Forgets a revoked key. */
  remove(id: string): void {
    this.#keys.delete(id);
    this.#book.remove(id);
    this.#swap();
  }

  async #defineBudget(key: VirtualKey, windowBefore: BudgetWindow | undefined): Promise<void> {
    if (key.budget === undefined) {
      this.#book.remove(key.id);
      return;
    }
    const now = this.#clock.now();
    if (key.budget.window === windowBefore) {
      this.#book.define(key.id, key.budget, { now });
      return;
    }
    const total = await this.#store.usage.total({ keyId: key.id }, windowStartOf(key.budget.window, now));
    this.#book.define(key.id, key.budget, { now, settledNano: total.costNano });
  }

  #swap(): void {
    this.#snapshot = createKeySnapshot([...this.#keys.values()]);
  }
}
