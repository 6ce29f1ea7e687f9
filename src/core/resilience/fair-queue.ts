/**
 * Those who wait, in turn per tenant: a tenant with many waiting items does not delay another with one. First come, first
 * served within a tenant. Pure.
 */
export class FairQueue<T> {
  /** Order of the map is the order of turns. */
  readonly #tenants = new Map<string, Set<T>>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(tenant: string, item: T): void {
    let waiting = this.#tenants.get(tenant);
    if (waiting === undefined) {
      waiting = new Set();
      this.#tenants.set(tenant, waiting);
    }
    if (waiting.has(item)) return;
    waiting.add(item);
    this.#length++;
  }

  /** Whose turn it is; stays in the queue. */
  peek(): T | undefined {
    for (const waiting of this.#tenants.values()) {
      for (const item of waiting) return item;
    }
    return undefined;
  }

  /** Takes out whose turn it is; its tenant goes to the end of the round. */
  shift(): T | undefined {
    for (const [tenant, waiting] of this.#tenants) {
      for (const item of waiting) {
        this.remove(tenant, item);
        if (this.#tenants.delete(tenant)) this.#tenants.set(tenant, waiting);
        return item;
      }
    }
    return undefined;
  }

  /** Somebody left. */
  remove(tenant: string, item: T): void {
    const waiting = this.#tenants.get(tenant);
    if (waiting?.delete(item) !== true) return;
    this.#length--;
    if (waiting.size === 0) this.#tenants.delete(tenant);
  }
}
