import { readFile } from 'node:fs/promises';
import { HOUR_MS } from '../../core/durations.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SecretSource } from '../../ports/secret-source.ts';
import { type Token, TokenSource } from '../google/token-source.ts';
import { ask, isObject, pick, requestOf, type StoreAddress, storeFault } from './ask.ts';

/** How the gateway signs in. `mount` is where the method is enabled, by its own name when absent. */
export type VaultAuth =
  | { readonly method: 'token'; readonly token: string }
  | {
      readonly method: 'approle';
      readonly roleId: string;
      readonly secretId: string;
      readonly mount: string | undefined;
    }
  | {
      readonly method: 'kubernetes';
      readonly role: string;
      /** The service account's token; Kubernetes' own place when absent. */
      readonly jwtFile: string | undefined;
      readonly mount: string | undefined;
    };

export interface VaultSourceOptions {
  readonly address: StoreAddress;
  readonly clock: Clock;
  /** Without a trailing slash. */
  readonly url: string;
  readonly namespace: string | undefined;
  readonly auth: VaultAuth;
}

const KUBERNETES_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';
/** A lease of 0 never ends; such a token is had anew now and then all the same. */
const ENDLESS_MS = HOUR_MS;

/** The call that signs in. The token of a pod is read each time: Kubernetes replaces it. */
async function loginOf(
  auth: Exclude<VaultAuth, { method: 'token' }>,
): Promise<{ mount: string; body: object }> {
  if (auth.method === 'approle') {
    return { mount: auth.mount ?? 'approle', body: { role_id: auth.roleId, secret_id: auth.secretId } };
  }
  const jwt = await readFile(auth.jwtFile ?? KUBERNETES_TOKEN, 'utf8').catch(() => {
    throw storeFault('The Kubernetes service account’s token cannot be read.');
  });
  return { mount: auth.mount ?? 'kubernetes', body: { role: auth.role, jwt: jwt.trim() } };
}

/**
 * HashiCorp Vault, key-value engines 1 and 2: `vault:PATH#FIELD`, where the path is that of the HTTP API
 * (`secret/data/openai` for version 2).
 * @see https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2
 */
export function createVaultSource(options: VaultSourceOptions): SecretSource {
  const { address, clock, url, namespace, auth } = options;
  const common = namespace === undefined ? {} : { 'x-vault-namespace': namespace };

  async function login(): Promise<Token> {
    if (auth.method === 'token') return { value: auth.token, lifetimeMs: ENDLESS_MS };
    const { mount, body } = await loginOf(auth);
    const request = requestOf(address, {
      method: 'POST',
      url: `${url}/v1/auth/${mount}/login`,
      headers: { ...common, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await ask(address, request, AbortSignal.timeout(address.timeoutMs));
    const given = answer.body['auth'];
    const token = isObject(given) ? given['client_token'] : undefined;
    if (answer.status !== 200 || typeof token !== 'string') {
      throw storeFault(`Vault refused the ${auth.method} login (HTTP ${answer.status}).`);
    }
    const lease = isObject(given) ? Number(given['lease_duration'] ?? 0) : 0;
    return { value: token, lifetimeMs: lease > 0 ? lease * 1000 : ENDLESS_MS };
  }

  let tokens = new TokenSource(clock, login);

  async function fetchSecret(path: string, signal: AbortSignal) {
    const headers = { ...common, 'x-vault-token': await tokens.get() };
    const request = requestOf(address, { method: 'GET', url: `${url}/v1/${path}`, headers });
    return ask(address, request, signal);
  }

  return {
    async read({ path, field }, signal) {
      if (!/^[\w./@ -]+$/.test(path) || path.split('/').some((part) => part === '..' || part === '')) {
        throw storeFault('Write a reference to Vault as vault:PATH#FIELD, with the path of its HTTP API.');
      }
      const encoded = path.split('/').map(encodeURIComponent).join('/');
      let answer = await fetchSecret(encoded, signal);
      if (answer.status === 403 && auth.method !== 'token') {
        // The token may have been revoked before its time.
        tokens = new TokenSource(clock, login);
        answer = await fetchSecret(encoded, signal);
      }
      if (answer.status !== 200) throw storeFault(`Vault refused (HTTP ${answer.status}).`);
      const { data } = answer.body;
      // Version 2 puts the fields one level deeper, beside their metadata.
      const versioned = isObject(data) && isObject(data['data']) && isObject(data['metadata']);
      return pick(versioned ? data['data'] : data, field ?? 'value', 'The secret in Vault');
    },
  };
}
