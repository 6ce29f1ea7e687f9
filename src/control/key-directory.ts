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
import { ownedByAccount } from './spent-before.ts';

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
      const bucket = windowStartOf(window, now);
      const spent = await this.#store.usage.totalsByKey(bucket);
      const budgeted = keys.filter((key) => key.budget?.window === window);
      const begun = await this.#store.budgets.begin(
        budgeted.map(({ id }) => ({ account: id, bucket, nano: spent.get(id) ?? 0 })),
      );
      const found = ownedByAccount(begun);
      for (const { id, budget } of budgeted) {
        if (budget !== undefined) this.#book.define(id, budget, { now, ...found.get(id) });
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
    const bucket = windowStartOf(key.budget.window, now);
    const { costNano: nano } = await this.#store.usage.total({ keyId: key.id }, bucket);
    const begun = await this.#store.budgets.begin([{ account: key.id, bucket, nano }]);
    this.#book.define(key.id, key.budget, { now, ...ownedByAccount(begun).get(key.id) });
  }

  #swap(): void {
    this.#snapshot = createPolicySnapshot(this.#entries.values(), this.#places, this.#snapshot.version + 1);
  }
}
