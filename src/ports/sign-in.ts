import type { SluiceError } from '../core/errors/error.ts';
/** Hashes passwords. Both may throw `overloaded` when too many wait. */
export interface PasswordHasher {
  /** A PHC string (argon2id). */
  hash(password: string): Promise<string>;
  /** Without a stored hash it does the same work and says no, so that time does not tell which accounts exist. */
  verify(password: string, stored: string | undefined): Promise<boolean>;
}

/** Time-based one-time passwords (RFC 6238: SHA-1, six digits, 30 seconds). */
export interface OneTimeCodes {
  newSecret(): string;
  /** The `otpauth://` address that authenticator apps read from a QR code. */
  url(secret: string, account: string): string;
  /** The time step a code is of, or `undefined` when it is wrong. One step to either side is accepted. */
  stepOf(secret: string, code: string, now: number): number | undefined;
}

/** What a provider says of somebody, verified. */
export interface ProvenIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What has to be remembered between the way to a provider and the way back. JSON-safe. */
export interface SignInAttempt {
  readonly url: string;
  /** The provider's own notes: nonce, code verifier, id of the request. */
  readonly notes: Readonly<Record<string, string>>;
}

/** One configured provider of identities. */
export interface SignInProvider {
  readonly name: string;
  readonly kind: 'oidc' | 'saml';
  /** Where to send the browser. Throws `upstream_unreachable` when the provider is needed for that and is down. */
  begin(state: string, callbackUrl: string): Promise<SignInAttempt>;
  /**
   * Checks what came back. Throws `invalid_key` for anything that is not exactly an answer to this attempt, and
   * `upstream_unreachable` when the provider is down.
   */
  finish(
    answer: { readonly url: string; readonly form: Readonly<Record<string, string>> },
    attempt: {
      readonly state: string;
      readonly notes: Readonly<Record<string, string>>;
      readonly callbackUrl: string;
    },
  ): Promise<ProvenIdentity>;
  /** Why an answer that belongs to no attempt here can never be taken; `undefined` where its attempt may just have ended. */
  unasked?(form: Readonly<Record<string, string>>): SluiceError | undefined;
  /** What the other side is configured with (SAML metadata). */
  metadata?(callbackUrl: string): Promise<string>;
}

/** A token that was checked: signature, issuer, audience, times. */
export interface CheckedToken {
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Checks the tokens of one issuer. */
export interface TokenChecker {
  readonly issuer: string;
  readonly audience: string;
  /** Throws `invalid_key` for a token that is not good, `upstream_unreachable` while there are no keys to check it with. */
  check(token: string): Promise<CheckedToken>;
}
