import type { Clock } from '../../ports/clock.ts';
import type { SecretSource } from '../../ports/secret-source.ts';
import { type Token, TokenSource } from '../google/token-source.ts';
import { ask, pick, requestOf, type StoreAddress, storeFault } from './ask.ts';

export interface AzureSourceOptions {
  readonly address: StoreAddress;
  readonly clock: Clock;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Where tokens are had; `https://login.microsoftonline.com` when absent. */
  readonly authority: string | undefined;
  /** Address of a vault, with `{vault}` for its name; Azure's public cloud when absent. */
  readonly endpoint: string | undefined;
}

const API_VERSION = '7.4';
const SCOPE = 'https://vault.azure.net/.default';

/**
 * Azure Key Vault as a registered application (client credentials): `azure-kv:VAULT/SECRET[/VERSION]`.
 * @see https://learn.microsoft.com/en-us/rest/api/keyvault/secrets/get-secret/get-secret
 */
export function createAzureSource(options: AzureSourceOptions): SecretSource {
  const { address, clock, tenantId } = options;
  const authority = (options.authority ?? 'https://login.microsoftonline.com').replace(/\/+$/, '');
  const endpoint = (options.endpoint ?? 'https://{vault}.vault.azure.net').replace(/\/+$/, '');

  async function fetchToken(): Promise<Token> {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: options.clientId,
      client_secret: options.clientSecret,
      scope: SCOPE,
    });
    const request = requestOf(address, {
      method: 'POST',
      url: `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    });
    const { status, body } = await ask(address, request, AbortSignal.timeout(address.timeoutMs));
    const { access_token: value, expires_in: seconds, error: word } = body;
    if (status !== 200 || typeof value !== 'string') {
      const shown = typeof word === 'string' && /^[a-z_]{1,40}$/.test(word) ? `, ${word}` : '';
      throw storeFault(`Azure refused the client credentials (HTTP ${status}${shown}).`);
    }
    return { value, lifetimeMs: Number(seconds ?? 0) * 1000 };
  }

  const tokens = new TokenSource(clock, fetchToken);
  return {
    async read({ path, field }, signal) {
      const [vault, name, version, ...more] = path.split('/');
      const parts = [vault, name, ...(version === undefined ? [] : [version])];
      if (
        name === undefined ||
        more.length > 0 ||
        !parts.every((one) => /^[A-Za-z0-9-]{1,127}$/.test(one ?? ''))
      ) {
        throw storeFault('Write a reference to Azure Key Vault as azure-kv:VAULT/SECRET or with /VERSION.');
      }
      const base = endpoint.replace('{vault}', vault ?? '');
      const url = `${base}/secrets/${name}${version === undefined ? '' : `/${version}`}?api-version=${API_VERSION}`;
      const headers = { authorization: `Bearer ${await tokens.get()}` };
      const answer = await ask(address, requestOf(address, { method: 'GET', url, headers }), signal);
      if (answer.status !== 200) throw storeFault(`Azure Key Vault refused (HTTP ${answer.status}).`);
      return pick(answer.body['value'], field, 'The secret in Azure Key Vault');
    },
  };
}
