import * as client from 'openid-client';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SignInProvider } from '../../ports/sign-in.ts';
import { type IdentityPorts, identityFetch, unreachable } from './identity-fetch.ts';

/** A provider as configured. */
export interface OidcSettings {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Asked for every time: it may be a reference, and be rotated. Throws while it cannot be read. */
  readonly clientSecret: () => string | undefined;
  readonly scopes: readonly string[];
  /** Claims of the ID token that must have these values. */
  readonly requireClaims: Readonly<Record<string, string | boolean>>;
  readonly allowPrivateNetwork: boolean;
}

/** Discovery is asked for again after this; what was found before serves while the provider is down. */
const FRESH_MS = 10 * 60_000;

function refused(cause?: unknown): SluiceError {
  return new SluiceError(
    'invalid_key',
    'What the identity provider sent is not a good answer to this sign-in.',
    {
      cause,
    },
  );
}

/** Failures of the network, as opposed to answers that are wrong. */
function isOutage(error: unknown): boolean {
  const { code = '', cause } = error as { code?: string; cause?: unknown };
  if (error instanceof SluiceError) return true;
  // The library's own words for a status it did not expect.
  if (code === 'OAUTH_RESPONSE_IS_NOT_CONFORM' || code === 'OAUTH_TIMEOUT') {
    return cause instanceof Response ? cause.status >= 500 : code === 'OAUTH_TIMEOUT';
  }
  return cause !== undefined && cause !== error && isOutage(cause);
}

class OidcProvider implements SignInProvider {
  readonly kind = 'oidc';
  readonly name: string;
  readonly #settings: OidcSettings;
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  #found:
    | {
        readonly configuration: client.Configuration;
        readonly at: number;
        readonly secret: string | undefined;
      }
    | undefined;
  #finding: Promise<client.Configuration> | undefined;

  constructor(settings: OidcSettings, ports: IdentityPorts) {
    this.name = settings.name;
    this.#settings = settings;
    this.#clock = ports.clock;
    this.#fetch = identityFetch(ports, settings);
  }

  async begin(state: string, callbackUrl: string) {
    const configuration = await this.#configuration();
    const verifier = client.randomPKCECodeVerifier();
    const nonce = client.randomNonce();
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: callbackUrl,
      scope: this.#settings.scopes.join(' '),
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    });
    return { url: url.href, notes: { verifier, nonce } };
  }

  async finish(
    answer: Parameters<SignInProvider['finish']>[0],
    attempt: Parameters<SignInProvider['finish']>[1],
  ) {
    const configuration = await this.#configuration();
    const { verifier = '', nonce = '' } = attempt.notes;
    // The address as the provider was told it, whatever proxy stands before us.
    const url = new URL(attempt.callbackUrl);
    url.search = new URL(answer.url, attempt.callbackUrl).search;
    let claims: client.IDToken | undefined;
    try {
      const tokens = await client.authorizationCodeGrant(configuration, url, {
        pkceCodeVerifier: verifier,
        expectedState: attempt.state,
        expectedNonce: nonce,
        idTokenExpected: true,
      });
      claims = tokens.claims();
    } catch (error) {
      throw isOutage(error) ? unreachable(error) : refused(error);
    }
    if (claims === undefined) throw refused();
    this.#check(claims);
    return { issuer: this.#settings.issuer, subject: claims.sub, claims };
  }

  /** The library has checked all of this; these are the two we cannot afford to see go wrong, and our own rules. */
  #check(claims: client.IDToken): void {
    const { issuer, clientId, requireClaims } = this.#settings;
    const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
    if (claims.iss !== issuer || !audience.includes(clientId)) throw refused();
    if (audience.length > 1 && claims['azp'] !== clientId) throw refused();
    if (claims.sub === '' || claims.sub.length > 255) throw refused();
    for (const [name, value] of Object.entries(requireClaims)) {
      if (claims[name] === value) continue;
      throw new SluiceError('forbidden', 'This account may not sign in here: a required claim is missing.');
    }
  }

  async #configuration(): Promise<client.Configuration> {
    const secret = this.#settings.clientSecret();
    if (this.#found?.secret !== secret) this.#found = undefined;
    if (this.#found !== undefined && this.#clock.monotonic() - this.#found.at < FRESH_MS) {
      return this.#found.configuration;
    }
    this.#finding ??= this.#discover().finally(() => {
      this.#finding = undefined;
    });
    try {
      return await this.#finding;
    } catch (error) {
      if (this.#found !== undefined) return this.#found.configuration;
      throw isOutage(error) ? unreachable(error) : refused(error);
    }
  }

  async #discover(): Promise<client.Configuration> {
    const { issuer, clientId } = this.#settings;
    const secret = this.#settings.clientSecret();
    const insecure = issuer.startsWith('http://');
    const configuration = await client.discovery(
      new URL(issuer),
      clientId,
      undefined,
      secret === undefined ? client.None() : client.ClientSecretBasic(secret),
      {
        [client.customFetch]: this.#fetch as client.CustomFetch,
        // The configuration was checked: clear text only on this machine or a network said to be private.
        ...(insecure ? { execute: [client.allowInsecureRequests] } : {}),
      },
    );
    if (configuration.serverMetadata().issuer !== issuer) throw refused();
    // ID tokens are verified even though they come straight from the token endpoint.
    client.enableNonRepudiationChecks(configuration);
    this.#found = { configuration, at: this.#clock.monotonic(), secret };
    return configuration;
  }
}

/** Authorization code with PKCE, state and nonce; discovery only when somebody signs in. */
export function createOidcProvider(settings: OidcSettings, ports: IdentityPorts): SignInProvider {
  return new OidcProvider(settings, ports);
}
