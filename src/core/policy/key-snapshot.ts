import type { VirtualKey } from './virtual-key.ts';

/** All keys that are not revoked, by hash; immutable, replaced as a whole when a key changes. */
export interface KeySnapshot {
  readonly size: number;
  /** By the hash of the presented secret. `previous` is true when it is the secret before the last rotation. */
  find(hash: string): { readonly key: VirtualKey; readonly previous: boolean } | undefined;
}

/** Builds a {@link KeySnapshot}; O(keys). */
export function createKeySnapshot(keys: readonly VirtualKey[]): KeySnapshot {
  const byHash = new Map<string, { key: VirtualKey; previous: boolean }>();
  for (const key of keys) {
    if (key.previousHash !== undefined) byHash.set(key.previousHash, { key, previous: true });
  }
  for (const key of keys) byHash.set(key.hash, { key, previous: false });
  return { size: keys.length, find: (hash) => byHash.get(hash) };
}
