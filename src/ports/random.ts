/** Randomness. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Cryptographic random bytes. */
  bytes(count: number): Uint8Array;
  /** A sortable, unguessable id with this prefix, for example `exc_`. */
  id(prefix: string): string;
}
