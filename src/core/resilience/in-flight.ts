/** Something that is under way. `slot` belongs to the {@link InFlight} it is in; begin with -1. */
export interface UnderWay {
  slot: number;
}

/**
 * What is under way now, where thousands come and go in a second. Adding and deleting are O(1); the order is not kept.
 *
 * An array instead of a `Set`, because of how V8 keeps one: when members come and go it is copied into a new table ever so
 * often, and the table left behind refers to its successor and to what it held. Once one such table has reached the old
 * generation, all later ones survive every small collection, and with them the requests they held. With a `Set` 5.4 of 25 MB
 * allocated survived each collection, without one 1.3 of 27 (docs/decisions/0010).
 */
export class InFlight<T extends UnderWay> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** An item is in one `InFlight` at most, and once. */
  add(item: T): void {
    if (item.slot >= 0) return;
    item.slot = this.#items.length;
    this.#items.push(item);
  }

  /** Whether it was there. */
  delete(item: T): boolean {
    const { slot } = item;
    if (slot < 0 || this.#items[slot] !== item) return false;
    item.slot = -1;
    const last = this.#items.pop();
    if (last !== undefined && last !== item) {
      this.#items[slot] = last;
      last.slot = slot;
    }
    return true;
  }

  /** Calls with each item; the item it is called with may be deleted meanwhile. */
  forEach(look: (item: T) => void): void {
    for (let at = this.#items.length - 1; at >= 0; at--) {
      const item = this.#items[at];
      if (item !== undefined) look(item);
    }
  }
}
