/** Randomness. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** A sortable, unguessable id with this prefix, for example `exc_`. */
  id(prefix: string): string;
}
