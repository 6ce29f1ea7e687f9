import { createHash } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { Account, Authorizer } from '../../ports/authorizer.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Upstream } from '../../ports/upstream.ts';
import { createFetch } from '../http1/fetch.ts';
import { loadServiceAccount, type ServiceAccount, ServiceAccountFault } from './service-account.ts';
import { type Token, TokenSource } from './token-source.ts';

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Longest wait for the token endpoint, its retry included, unless told otherwise. */
const FETCH_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Accounts whose tokens are kept; more means that the configuration was changed many times. */
const MAX_SOURCES = 256;

/** Fetches one token for a service account (RFC 7523: a signed assertion for an access token). */
async function fetchToken(
  account: ServiceAccount,
  { fetch, timeoutMs }: { readonly fetch: typeof globalThis.fetch; readonly timeoutMs: number },
): Promise<Token> {
  // Loaded on the first token, so that those who need none start faster.
  const { gaxios, JWT } = await import('google-auth-library');
  const transporter = new gaxios.Gaxios();
  transporter.interceptors.request.add({
    resolved: async (options) => {
      // The library always asks Google's own endpoint; the account's JSON names the one it belongs to.
      options.url = new URL(account.tokenUri);
      options.redirect = 'error';
      // Its default, node-fetch, throws past every handler when a request is tried again after its signal has aborted (3.3, in tests).
      options.fetchImplementation = fetch;
      options.signal = AbortSignal.timeout(timeoutMs);
      options.retryConfig = { httpMethodsToRetry: ['POST'], retry: 1, noResponseRetries: 1, retryDelay: 100 };
      return options;
    },
  });
  // A client of its own for each token: caching is done here and not in two places.
  const client = new JWT({
    email: account.email,
    key: account.privateKey,
    scopes: [SCOPE],
    additionalClaims: { aud: account.tokenUri },
    transporter,
  });
  const { access_token: value, expiry_date: endsAt } = await client.authorize();
  if (!value) throw new ServiceAccountFault('got an answer without a token from its token endpoint');
  // The library counts from the machine's own clock.
  return { value, lifetimeMs: endsAt ? endsAt - Date.now() : 0 };
}

/** The endpoint's own short word (`invalid_grant`) and status; never its text, nor the request with the assertion. */
function refusal(error: unknown): { readonly status?: number; readonly word?: string } {
  const response = (error as { response?: { status?: unknown; data?: { error?: unknown } } }).response;
  const word = response?.data?.error;
  return {
    ...(typeof response?.status === 'number' ? { status: response.status } : {}),
    ...(typeof word === 'string' && /^[a-z_]{1,40}$/.test(word) ? { word } : {}),
  };
}

/** The library's errors carry the request and with it the assertion, so they are not even kept as a cause. */
function toFailure(error: unknown, provider: string): SluiceError {
  if (error instanceof ServiceAccountFault) {
    return new SluiceError('upstream_auth', `The service account of \`${provider}\` ${error.message}.`, {
      provider,
    });
  }
  const { status, word } = refusal(error);
  if (status === undefined) {
    return new SluiceError(
      'upstream_auth',
      `No token could be had for \`${provider}\`: its token endpoint gave no proper answer, or its private key is unusable.`,
      { provider },
    );
  }
  return new SluiceError(
    'upstream_auth',
    `The token endpoint refused the service account of \`${provider}\` (HTTP ${status}${word ? `, ${word}` : ''}).`,
    { provider, upstreamStatus: status, ...(word ? { upstreamCode: word } : {}) },
  );
}

/** Waits for `promise` unless the client leaves first; what it waited for goes on for the others. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new SluiceError('client_closed', 'The client left.'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

/** Two providers with the same account share its token. A digest, so that no key lies about as a map's key. */
function sourceKey({ settings }: Account): string {
  const parts = [settings['service_account_json'] ?? '', settings['service_account_file'] ?? ''];
  return createHash('sha256').update(parts.join('\n')).digest('base64');
}

/**
 * OAuth 2 access tokens of Google service accounts, as bearer tokens for the scope `cloud-platform`. The account comes
 * from the settings `service_account_json` or `service_account_file`; its `token_uri` is honoured if it is https or on
 * this machine. User credentials of `gcloud`, workload identity federation and the metadata server are not read.
 *
 * A token is kept until shortly before its end, and however many calls need one, it is fetched once.
 */
export function createGoogleAuthorizer(ports: {
  readonly clock: Clock;
  readonly upstream: Upstream;
  /** Absent: ten seconds. */
  readonly fetchTimeoutMs?: number;
}): Authorizer {
  const { clock, upstream, fetchTimeoutMs: timeoutMs = FETCH_TIMEOUT_MS } = ports;
  // The file that names the endpoint is the operator's own.
  const fetch = createFetch(upstream, { allowPrivateNetwork: true, timeoutMs, maxBytes: MAX_ANSWER_BYTES });
  const sources = new Map<string, TokenSource>();

  function sourceFor(account: Account): TokenSource {
    const key = sourceKey(account);
    const known = sources.get(key);
    if (known !== undefined) return known;
    const source = new TokenSource(clock, async () => {
      const loaded = await loadServiceAccount(account.settings);
      if (loaded === undefined) throw new ServiceAccountFault('is not set');
      return fetchToken(loaded, { fetch, timeoutMs });
    });
    if (sources.size >= MAX_SOURCES) sources.clear();
    sources.set(key, source);
    return source;
  }

  return {
    async authorize(_request, account, signal) {
      const { provider, settings } = account;
      if (!settings['service_account_json'] && !settings['service_account_file']) {
        throw new SluiceError(
          'upstream_auth',
          `\`${provider}\` has no service account: set \`credentials.service_account_file\` or ` +
            '`credentials.service_account_json`, or `api_key` for an access token.',
          { provider },
        );
      }
      try {
        const token = await untilAborted(sourceFor(account).get(), signal);
        return { authorization: `Bearer ${token}` };
      } catch (error) {
        throw error instanceof SluiceError ? error : toFailure(error, provider);
      }
    },
  };
}
