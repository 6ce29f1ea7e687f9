/**
 * Encrypts secrets that outlive a change of the master key: each under a data key of its own, which is wrapped by a key
 * derived from a master key. `place` binds a ciphertext to where it is stored (table, row, column, organization).
 */
export interface Envelope {
  /** Under the current master key. */
  seal(plain: string, place: string): string;
  /** Throws `internal` if it was altered, belongs to another place, or its master key is gone. */
  open(sealed: string, place: string): string;
  /** The same ciphertext with its data key wrapped by the current master key; `undefined` when it is already. */
  rewrap(sealed: string, place: string): string | undefined;
}

/** How the master key stands. */
export interface MasterKeyState {
  /** Tells keys from each other and nothing about them. */
  readonly id: string;
  readonly source: 'file' | 'environment';
  /** Older keys that are still accepted. */
  readonly previous: number;
}

/** Replaces the master key while everything runs. */
export interface MasterKeyControl {
  state(): MasterKeyState;
  /** Makes a new key the current one; the old one stays valid. Throws `conflict` where only the operator can. */
  renew(): void;
  /** Forgets all keys but the current one. False where they are the operator's to take away. */
  retire(): boolean;
}
