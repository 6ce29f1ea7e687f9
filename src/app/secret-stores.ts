import { awsRegion, awsSettings } from '../adapters/aws/settings.ts';
import { googleSettings } from '../adapters/google/service-account.ts';
import { createAwsSource } from '../adapters/secret-sources/aws.ts';
import { createAzureSource } from '../adapters/secret-sources/azure.ts';
import { createFileSource } from '../adapters/secret-sources/file.ts';
import { createGoogleSource } from '../adapters/secret-sources/google.ts';
import { createVaultSource, type VaultAuth } from '../adapters/secret-sources/vault.ts';
import type { Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretScheme, SecretSource } from '../ports/secret-source.ts';
import type { Upstream } from '../ports/upstream.ts';
import { isLoopbackHost, type SecretsConfig } from './config/index.ts';

export interface StorePorts {
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** An operator who writes a loopback address has allowed it by that. */
export function mayBePrivate(url: string | undefined, allowed: boolean): boolean {
  if (allowed || url === undefined || !URL.canParse(url)) return allowed;
  return isLoopbackHost(new URL(url).hostname);
}

type Vault = NonNullable<SecretsConfig['vault']>;

function vaultAuth(vault: Vault, environment: StorePorts['environment']): VaultAuth {
  switch (vault.method) {
    case 'approle':
      return {
        method: 'approle',
        roleId: vault.role_id ?? '',
        secretId: vault.secret_id ?? '',
        mount: vault.mount,
      };
    case 'kubernetes':
      return { method: 'kubernetes', role: vault.role ?? '', jwtFile: vault.jwt_file, mount: vault.mount };
    default:
      return { method: 'token', token: vault.token ?? environment['VAULT_TOKEN'] ?? '' };
  }
}

function present(given: object): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** The stores a configuration names, by the scheme of their references. AWS needs no section where its variables are set. */
export function openSecretStores(
  config: SecretsConfig,
  ports: StorePorts,
): Readonly<Partial<Record<SecretScheme, SecretSource>>> {
  const { clock, upstream, authorizers, environment } = ports;
  const { vault, aws, google, azure } = config;
  const address = (store: string, url: string | undefined, allowed: boolean) => ({
    store,
    upstream,
    timeoutMs: config.timeout_ms,
    allowPrivateNetwork: mayBePrivate(url, allowed),
  });
  return {
    file: createFileSource(),
    ...(vault === undefined
      ? {}
      : {
          vault: createVaultSource({
            address: address('Vault', vault.address, vault.allow_private_network),
            clock,
            url: vault.address,
            namespace: vault.namespace,
            auth: vaultAuth(vault, environment),
          }),
        }),
    'aws-sm': createAwsSource({
      address: address('AWS Secrets Manager', aws?.endpoint, aws?.allow_private_network === true),
      authorizer: authorizers.sigv4,
      region: aws?.region ?? awsRegion(environment),
      settings: awsSettings(present(aws ?? {}), environment),
      endpoint: aws?.endpoint,
    }),
    'gcp-sm': createGoogleSource({
      address: address('Google Secret Manager', google?.endpoint, google?.allow_private_network === true),
      authorizer: authorizers['google-oauth'],
      settings: googleSettings(present(google ?? {}), environment),
      endpoint: google?.endpoint,
    }),
    ...(azure === undefined
      ? {}
      : {
          'azure-kv': createAzureSource({
            address: address('Azure', azure.endpoint ?? azure.authority, azure.allow_private_network),
            clock,
            tenantId: azure.tenant_id,
            clientId: azure.client_id,
            clientSecret: azure.client_secret,
            authority: azure.authority,
            endpoint: azure.endpoint,
          }),
        }),
  };
}
