import { createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import { DAY_MS } from '../../core/durations.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CheckedToken, TokenChecker } from '../../ports/sign-in.ts';
import { type IdentityPorts, identityFetch, unreachable } from './identity-fetch.ts';

/** An issuer as configured. */
export interface TokenSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl: string | undefined;
  readonly algorithms: readonly string[];
  readonly allowPrivateNetwork: boolean;
}

/** Keys are asked for again after this, behind the requests that use the old ones. */
const FRESH_MS = 5 * 60_000;
/** Keys of an issuer that has been silent for this long are not believed any more. */
const STALE_MS = DAY_MS;
/** Between two looks for a key that is not there, so that invented key ids do not make us a load generator. */
const COOLDOWN_MS = 2000;
const SKEW_S = 30;
const MAX_TOKEN = 16 * 1024;

function refused(cause?: unknown): SluiceError {
  return new SluiceError(
    'invalid_key',
    'This token is not accepted: wrong signature, issuer, audience or time. Ask your issuer for a new one.',
    { cause },
  );
}

type KeyFinder = ReturnType<typeof createLocalJWKSet>;

/** The keys of an issuer: kept, and fetched once however many wait. */
class KeySet {
  readonly #settings: TokenSettings;
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  #keys: { readonly find: KeyFinder; readonly at: number } | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** The latest fetch failed: what is not among the keys at hand may well be among the issuer's. */
  #failed = false;
  #fetching: Promise<void> | undefined;

  constructor(settings: TokenSettings, ports: IdentityPorts) {
    this.#settings = settings;
    this.#clock = ports.clock;
    this.#fetch = identityFetch(ports, settings);
  }

  /** Keys to check with; throws `upstream_unreachable` while there are none. */
  async current(): Promise<KeyFinder> {
    const now = this.#clock.monotonic();
    const age = this.#keys === undefined ? Number.POSITIVE_INFINITY : now - this.#keys.at;
    if (age < FRESH_MS && this.#keys !== undefined) return this.#keys.find;
    const again = this.#refetch();
    if (age < STALE_MS && this.#keys !== undefined) {
      // Those at hand serve while an issuer is slow or down.
      again.catch(() => undefined);
      return this.#keys.find;
    }
    await again;
    if (this.#keys === undefined) throw unreachable(undefined);
    return this.#keys.find;
  }

  /**
   * Newer keys than `known`, where there can be some: they may have been rotated. Throws `upstream_unreachable` where nobody
   * can tell, because the issuer does not answer.
   */
  async newer(known: KeyFinder): Promise<KeyFinder | undefined> {
    if (this.#keys !== undefined && this.#keys.find !== known) return this.#keys.find;
    await this.#refetch();
    return this.#keys?.find === known ? undefined : this.#keys?.find;
  }

  #refetch(): Promise<void> {
    const now = this.#clock.monotonic();
    if (this.#fetching !== undefined) return this.#fetching;
    if (now - this.#triedAt < COOLDOWN_MS) {
      return this.#failed ? Promise.reject(unreachable(undefined)) : Promise.resolve();
    }
    this.#triedAt = now;
    this.#fetching = this.#load().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #load(): Promise<void> {
    try {
      const url = this.#settings.jwksUrl ?? (await this.#discoverUrl());
      const set = (await this.#json(url)) as JSONWebKeySet;
      // Symmetric keys have no business in a public set (algorithm confusion).
      const keys = set.keys.filter(({ kty, use }) => kty !== 'oct' && (use ?? 'sig') === 'sig');
      this.#keys = { find: createLocalJWKSet({ keys }), at: this.#clock.monotonic() };
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      throw unreachable(error);
    }
  }

  async #discoverUrl(): Promise<string> {
    const { issuer } = this.#settings;
    const found = (await this.#json(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)) as {
      issuer?: unknown;
      jwks_uri?: unknown;
    };
    if (found.issuer !== issuer || typeof found.jwks_uri !== 'string')
      throw new Error('discovery does not fit');
    if (issuer.startsWith('https://') && !found.jwks_uri.startsWith('https://'))
      throw new Error('keys in clear text');
    return found.jwks_uri;
  }

  async #json(url: string): Promise<unknown> {
    const answer = await this.#fetch(url, { headers: { accept: 'application/json' } });
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    return answer.json();
  }
}

/** The key is not there, or another one has its id (or none has one): keys may have been rotated. */
function isKeyMatter(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}

/** Checks JWTs of one issuer: signature by its published keys, exact issuer and audience, times, a subject. */
export function createTokenChecker(settings: TokenSettings, ports: IdentityPorts): TokenChecker {
  const { clock } = ports;
  const keys = new KeySet(settings, ports);
  const verify = async (token: string, find: KeyFinder): Promise<CheckedToken> => {
    const { payload } = await jwtVerify(token, find, {
      issuer: settings.issuer,
      audience: settings.audience,
      algorithms: [...settings.algorithms],
      clockTolerance: SKEW_S,
      requiredClaims: ['sub', 'exp', 'iss', 'aud'],
      currentDate: new Date(clock.now()),
    });
    const { sub = '', exp = 0 } = payload;
    if (sub === '' || sub.length > 255) throw refused();
    return { subject: sub, claims: payload, expiresAt: exp * 1000 };
  };
  return {
    issuer: settings.issuer,
    audience: settings.audience,
    async check(token) {
      if (token.length > MAX_TOKEN) throw refused();
      try {
        // A token that asks for another algorithm is refused before anybody looks for a key.
        const { alg = '' } = decodeProtectedHeader(token);
        if (!settings.algorithms.includes(alg)) throw refused();
        const known = await keys.current();
        try {
          return await verify(token, known);
        } catch (error) {
          const newer = isKeyMatter(error) ? await keys.newer(known) : undefined;
          if (newer === undefined) throw error;
          return await verify(token, newer);
        }
      } catch (error) {
        throw error instanceof SluiceError ? error : refused(error);
      }
    },
  };
}
