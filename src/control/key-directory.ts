import { type BudgetBook, windowStartOf } from '../core/policy/budget.ts';
import {
  createPolicySnapshot,
  KeyCompiler,
  type KeyEntry,
  NO_PLACES,
  type PlaceMaps,
  type PolicySnapshot,
} from '../core/policy/policy-snapshot.ts';
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
  readonly #places: PlaceMaps;
  #entries = new Map<string, KeyEntry>();
  #compiler: KeyCompiler;
  #snapshot: PolicySnapshot = createPolicySnapshot([]);

  /** `places` may change in place; `recompile` must then be called. */
  constructor(ports: {
    readonly store: Store;
    readonly book: BudgetBook;
    readonly clock: Clock;
    readonly places?: PlaceMaps;
  }) {
    this.#store = ports.store;
    this.#book = ports.book;
    this.#clock = ports.clock;
    this.#places = ports.places ?? NO_PLACES;
    this.#compiler = new KeyCompiler(this.#places);
  }

  /** Reads every key and what each budget has spent in its current window. */
  async load(): Promise<void> {
    const keys = await this.#store.keys.active();
    const now = this.#clock.now();
    this.#compiler = new KeyCompiler(this.#places);
    this.#entries = new Map(keys.map((key) => [key.id, this.#compiler.compile(key)]));
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

  snapshot(): PolicySnapshot {
    return this.#snapshot;
  }

  get(id: string): VirtualKey | undefined {
    return this.#entries.get(id)?.key;
  }

  /** What follows for a key that is kept nowhere, from places as they are now. */
  entryOf(key: VirtualKey): KeyEntry {
    return this.#compiler.compile(key);
  }

  /** Every key that is not revoked. */
  *keys(): Generator<VirtualKey> {
    for (const { key } of this.#entries.values()) yield key;
  }

  /** Works out every key again, after a place changed. */
  recompile(): void {
    this.#compiler = new KeyCompiler(this.#places);
    for (const [id, { key }] of this.#entries) this.#entries.set(id, this.#compiler.compile(key));
    this.#swap();
  }

  /** Reads one key again, which another process may have changed. */
  async refresh(id: string): Promise<void> {
    const key = await this.#store.keys.get(id);
    if (key === undefined || key.revokedAt !== undefined) this.remove(id);
    else await this.put(key);
  }

  /** Takes over a key that was stored. */
  async put(key: VirtualKey): Promise<void> {
    const before = this.get(key.id)?.budget;
    this.#entries.set(key.id, this.#compiler.compile(key));
    await this.#defineBudget(key, before?.window);
    this.#swap();
  }

  /** Forgets a revoked key. */
  remove(id: string): void {
    if (!this.#entries.delete(id)) return;
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
    this.#snapshot = createPolicySnapshot(this.#entries.values(), this.#places, this.#snapshot.version + 1);
  }
}
