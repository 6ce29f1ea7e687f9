import type { FoundKey, KeyCompiler, KeyFinder } from './policy-snapshot.ts';
import type { VirtualKey } from './virtual-key.ts';

/** A key, and what was found by its secrets since a place last changed. */
interface Slot {
  readonly key: VirtualKey;
  /** Who worked out `found`; another compiler stands for other places. */
  by: KeyCompiler | undefined;
  found: FoundKey | undefined;
  foundBefore: FoundKey | undefined;
}

/**
 * Keys by id and by the hashes of their secrets. What follows from a key's places is worked out when it is first asked for:
 * of a hundred thousand keys few call, and a place may change that all of them share. Changes are O(1).
 */
export class KeyIndex implements KeyFinder {
  readonly #byId = new Map<string, Slot>();
  readonly #byHash = new Map<string, Slot>();
  /** By the secret before the last rotation. */
  readonly #byPreviousHash = new Map<string, Slot>();
  #compiler: KeyCompiler;

  constructor(compiler: KeyCompiler) {
    this.#compiler = compiler;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): VirtualKey | undefined {
    return this.#byId.get(id)?.key;
  }

  *keys(): Generator<VirtualKey> {
    for (const { key } of this.#byId.values()) yield key;
  }

  put(key: VirtualKey): void {
    this.delete(key.id);
    const slot: Slot = { key, by: undefined, found: undefined, foundBefore: undefined };
    this.#byId.set(key.id, slot);
    this.#byHash.set(key.hash, slot);
    if (key.previousHash !== undefined) this.#byPreviousHash.set(key.previousHash, slot);
  }

  /** Returns whether there was one. */
  delete(id: string): boolean {
    const slot = this.#byId.get(id);
    if (slot === undefined) return false;
    this.#byId.delete(id);
    const { hash, previousHash } = slot.key;
    if (this.#byHash.get(hash) === slot) this.#byHash.delete(hash);
    if (previousHash !== undefined && this.#byPreviousHash.get(previousHash) === slot)
      this.#byPreviousHash.delete(previousHash);
    return true;
  }

  /** Takes over what places say now. */
  recompile(compiler: KeyCompiler): void {
    this.#compiler = compiler;
  }

  find(hash: string): FoundKey | undefined {
    const slot = this.#byHash.get(hash);
    if (slot !== undefined) return this.#compiled(slot).found;
    const before = this.#byPreviousHash.get(hash);
    return before === undefined ? undefined : this.#compiled(before).foundBefore;
  }

  #compiled(slot: Slot): Slot {
    if (slot.by === this.#compiler) return slot;
    slot.by = this.#compiler;
    const entry = this.#compiler.compile(slot.key);
    slot.found = { entry, previous: false };
    slot.foundBefore = { entry, previous: true };
    return slot;
  }
}
