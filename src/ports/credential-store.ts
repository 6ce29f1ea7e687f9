/** A credential for providers that is kept in the gateway: either sealed, or a reference to a secret store. */
export interface CredentialRecord {
  readonly id: string;
  readonly organizationId: string;
  /** Unique; what the configuration names as `credential:NAME`. */
  readonly name: string;
  readonly description: string;
  /** Sealed with `Envelope`; `undefined` for a reference. */
  readonly sealed: string | undefined;
  /** For example `vault:secret/data/openai#api_key`; `undefined` for a kept value. */
  readonly reference: string | undefined;
  /** Last characters of a long value; `''` otherwise. */
  readonly hint: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Where the ciphertext of a credential lies, which its seal is bound to. */
export function credentialPlace({
  id,
  organizationId,
}: Pick<CredentialRecord, 'id' | 'organizationId'>): string {
  return `credentials/${id}/sealed/${organizationId}`;
}

/** Credentials for providers. */
export interface CredentialStore {
  /** Throws `conflict` when the name exists. */
  insert(record: CredentialRecord): Promise<void>;
  /** Replaces a record by its id. Throws `not_found`, or `conflict` when the name exists. */
  update(record: CredentialRecord): Promise<void>;
  /** False when there was none. */
  remove(id: string): Promise<boolean>;
  /** Newest first, at most 10,000. */
  all(): Promise<readonly CredentialRecord[]>;
  /** Puts another wrapping of the same secret in place; false when it was changed meanwhile. */
  rewrap(id: string, from: string, to: string): Promise<boolean>;
}

/** Secrets of the gateway itself, each wrapped by the master key: what virtual keys are hashed with, what signs. */
export interface KeyringStore {
  /** Wrapped secrets by name. */
  all(): Promise<Readonly<Record<string, string>>>;
  /** Does nothing where the name exists. */
  insert(name: string, wrapped: string, at: number): Promise<void>;
  /** False when it was changed meanwhile. */
  rewrap(name: string, from: string, to: string): Promise<boolean>;
}
