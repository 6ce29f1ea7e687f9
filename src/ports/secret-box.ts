/** Encrypts secrets at rest. `place` binds a ciphertext to where it is stored (table, row, column), so it cannot be moved. */
export interface SecretBox {
  seal(plain: string, place: string): string;
  /** Throws `internal` if the ciphertext was altered or belongs to another place. */
  open(sealed: string, place: string): string;
  /** Keyed hash of a virtual key, base64url. */
  hashKey(key: string): string;
  /** HMAC-SHA256 of `text`, base64url, under a key of its own per purpose. */
  sign(text: string, purpose: string): string;
}
