/** Where a secret is kept that the configuration only refers to. */
export type SecretScheme = 'vault' | 'aws-sm' | 'gcp-sm' | 'azure-kv' | 'file';

/** `SCHEME:PATH` or `SCHEME:PATH#FIELD`. */
export interface SecretReference {
  readonly scheme: SecretScheme;
  readonly path: string;
  /** Which field of a secret that is a JSON object; the whole secret when absent. */
  readonly field: string | undefined;
}

/** Reads secrets from one store. */
export interface SecretSource {
  /** The secret as it is now. Throws `SluiceError` with a sentence that holds nothing of any secret. */
  read(reference: SecretReference, signal: AbortSignal): Promise<string>;
}
