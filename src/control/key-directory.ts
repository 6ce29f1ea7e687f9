import { type BudgetBook, windowStartOf } from '../core/policy/budget.ts';
import { KeyIndex } from '../core/policy/key-index.ts';
import {
  createPolicySnapshot,
  KeyCompiler,
  type KeyEntry,
  NO_PLACES,
  type PlaceMaps,
  type PolicySnapshot,
} from '../core/policy/policy-snapshot.ts';
import type { BudgetRule, BudgetWindow, VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { KeyStore, Store } from '../ports/store.ts';
import { ownedByAccount } from './spent-before.ts';

/** Keys asked for at once. */
const SLICE_KEYS = 2000;

/** A key that has a budget of its own. */
type BudgetedKey = { readonly id: string; readonly budget: BudgetRule };

/** Every key that is not revoked, or those whose ids begin with `prefix`, by id; some thousand at a time. */
export async function* keySlices(keys: KeyStore, prefix?: string): AsyncGenerator<readonly VirtualKey[]> {
  let asked = keys.active({ prefix, limit: SLICE_KEYS });
  for (;;) {
    const slice = await asked;
    const isLast = slice.length < SLICE_KEYS;
    if (!isLast) {
      // The storage reads on while this slice is taken in; who stops listening misses no failure.
      asked = keys.active({ prefix, after: slice.at(-1)?.id, limit: SLICE_KEYS });
      asked.catch(() => undefined);
    }
    yield slice;
    if (isLast) return;
  }
}

/**
 * The keys in memory: what the data plane reads. Changes are stored first and then swapped in as a new snapshot, so a
 * blocked key is refused from the next request on.
 */
export class KeyDirectory {
  readonly #store: Store;
  readonly #book: BudgetBook;
  readonly #clock: Clock;
  readonly #places: PlaceMaps;
  #index: KeyIndex;
  #compiler: KeyCompiler;
  #snapshot: PolicySnapshot;

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
    this.#index = new KeyIndex(this.#compiler);
    this.#snapshot = createPolicySnapshot(this.#index, this.#places);
  }

  /** Reads every key and what each budget has spent in its current window. */
  async load(): Promise<void> {
    const now = this.#clock.now();
    const index = new KeyIndex(this.#compiler);
    const all: BudgetedKey[] = [];
    for await (const slice of keySlices(this.#store.keys)) {
      for (const key of slice) {
        index.put(key);
        if (key.budget !== undefined) all.push({ id: key.id, budget: key.budget });
      }
    }
    for (const [window, budgeted] of Map.groupBy(all, ({ budget }) => budget.window)) {
      const bucket = windowStartOf(window, now);
      const spent = await this.#store.usage.totalsByKey(bucket);
      const begun = await this.#store.budgets.begin(
        budgeted.map(({ id }) => ({ account: id, bucket, nano: spent.get(id) ?? 0 })),
      );
      const found = ownedByAccount(begun);
      for (const { id, budget } of budgeted) this.#book.define(id, budget, { now, ...found.get(id) });
    }
    this.#index = index;
    // Places may have changed as well.
    this.recompile();
  }

  snapshot(): PolicySnapshot {
    return this.#snapshot;
  }

  get(id: string): VirtualKey | undefined {
    return this.#index.get(id);
  }

  /** What follows for a key that is kept nowhere, from places as they are now. */
  entryOf(key: VirtualKey): KeyEntry {
    return this.#compiler.compile(key);
  }

  /** Every key that is not revoked. */
  keys(): Generator<VirtualKey> {
    return this.#index.keys();
  }

  /** Takes over what places say, after one changed. */
  recompile(): void {
    this.#compiler = new KeyCompiler(this.#places);
    this.#index.recompile(this.#compiler);
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
    this.#index.put(key);
    await this.#defineBudget(key, before?.window);
    this.#swap();
  }

  /** Forgets a revoked key. */
  remove(id: string): void {
    if (!this.#index.delete(id)) return;
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
    this.#snapshot = createPolicySnapshot(this.#index, this.#places, this.#snapshot.version + 1);
  }
}
