import type { CacheProvider, Profile, SAML } from '@node-saml/node-saml';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SignInProvider } from '../../ports/sign-in.ts';
import { envelopeOf } from './saml-structure.ts';

/** A provider as configured. */
export interface SamlSettings {
  readonly name: string;
  /** Entity id of the identity provider. */
  readonly issuer: string;
  readonly entryPoint: string;
  readonly certificates: readonly string[];
  /** Our entity id; the metadata address when absent. */
  readonly entityId: string | undefined;
}

const SKEW_MS = 60_000;
/** Assertions are made when somebody signs in; an older one was kept by somebody. */
const MAX_AGE_MS = 10 * 60_000;
const MAX_RESPONSE = 256 * 1024;
const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
/** Assertions remembered until they have expired anyway. */
const MAX_USED = 100_000;

function refused(cause?: unknown): SluiceError {
  return new SluiceError(
    'invalid_key',
    'What the identity provider sent is not a good answer to this sign-in.',
    {
      cause,
    },
  );
}

/** Encryption would hide from {@link envelopeOf} what it has to look at before a signature is computed. */
function encrypted(): SluiceError {
  return new SluiceError(
    'unsupported_feature',
    'The identity provider encrypts its assertions, which are not read here; switch assertion encryption off for this gateway.',
    { details: { problem: 'saml_encrypted' } },
  );
}

/** Whoever can make a browser post an unasked answer signs it in as somebody else (login CSRF). */
function unasked(): SluiceError {
  return new SluiceError(
    'unsupported_feature',
    'Sign-ins that begin at the identity provider are not taken; begin at this gateway.',
    { details: { problem: 'saml_unasked' } },
  );
}

function textOf(form: Readonly<Record<string, string>>): string {
  const encoded = form['SAMLResponse'] ?? '';
  return encoded.length > MAX_RESPONSE ? '' : Buffer.from(encoded, 'base64').toString('utf8');
}

/** The library's memory of requests: knows exactly the one that this browser has begun. */
function onlyRequest(id: string): CacheProvider {
  return {
    saveAsync: async () => null,
    getAsync: async (key) => (id !== '' && key === id ? new Date().toISOString() : null),
    removeAsync: async () => null,
  };
}

interface Confirmation {
  readonly $?: { readonly Method?: string };
  readonly SubjectConfirmationData?: readonly { readonly $?: Readonly<Record<string, string>> }[];
}

/** The bearer confirmation must name our address, our request and an end. Read from the signed assertion. */
function isConfirmed(
  profile: Profile,
  expected: { recipient: string; request: string; now: number },
): boolean {
  const assertion = profile.getAssertion?.()['Assertion'] as
    | { readonly Subject?: readonly { readonly SubjectConfirmation?: readonly Confirmation[] }[] }
    | undefined;
  const confirmations = assertion?.Subject?.[0]?.SubjectConfirmation ?? [];
  const [only] = confirmations;
  const data = only?.SubjectConfirmationData?.[0]?.$;
  const until = Date.parse(data?.['NotOnOrAfter'] ?? '');
  return (
    confirmations.length === 1 &&
    only?.$?.Method === BEARER &&
    data?.['Recipient'] === expected.recipient &&
    data['InResponseTo'] === expected.request &&
    until + SKEW_MS > expected.now
  );
}

class SamlProvider implements SignInProvider {
  readonly kind = 'saml';
  readonly name: string;
  readonly #settings: SamlSettings;
  readonly #clock: Clock;
  readonly #used = new Map<string, number>();

  constructor(settings: SamlSettings, clock: Clock) {
    this.name = settings.name;
    this.#settings = settings;
    this.#clock = clock;
  }

  async #library(callbackUrl: string, request: string): Promise<SAML> {
    // A megabyte of XML that most gateways never need.
    const { SAML, ValidateInResponseTo } = await import('@node-saml/node-saml');
    const { issuer, entryPoint, certificates } = this.#settings;
    const entityId = this.#entityId(callbackUrl);
    return new SAML({
      callbackUrl,
      entryPoint,
      issuer: entityId,
      audience: entityId,
      idpIssuer: issuer,
      idpCert: [...certificates],
      wantAssertionsSigned: true,
      wantAuthnResponseSigned: false,
      validateInResponseTo: ValidateInResponseTo.always,
      cacheProvider: onlyRequest(request),
      acceptedClockSkewMs: SKEW_MS,
      maxAssertionAgeMs: MAX_AGE_MS,
      identifierFormat: null,
      disableRequestedAuthnContext: true,
      ...(request === '' ? {} : { generateUniqueId: () => request }),
    });
  }

  #entityId(callbackUrl: string): string {
    return this.#settings.entityId ?? callbackUrl.replace(/\/acs$/, '/metadata');
  }

  async begin(state: string, callbackUrl: string) {
    const request = `_${crypto.randomUUID().replaceAll('-', '')}`;
    const library = await this.#library(callbackUrl, request);
    const url = await library.getAuthorizeUrlAsync(state, undefined, {});
    return { url, notes: { request } };
  }

  async finish(
    answer: Parameters<SignInProvider['finish']>[0],
    attempt: Parameters<SignInProvider['finish']>[1],
  ) {
    const { callbackUrl } = attempt;
    const { request = '' } = attempt.notes;
    const encoded = answer.form['SAMLResponse'] ?? '';
    if (encoded === '' || encoded.length > MAX_RESPONSE || request === '') throw refused();
    const text = textOf(answer.form);
    if (/<(?:[\w.-]+:)?EncryptedAssertion[\s>]/.test(text)) throw encrypted();
    const envelope = envelopeOf(text);
    if (envelope === undefined || envelope.status !== SUCCESS) throw refused();
    // An envelope without a destination is legal; the signed recipient is required in any case.
    if ((envelope.destination ?? callbackUrl) !== callbackUrl) throw refused();
    if (envelope.inResponseTo !== request) throw refused();
    const profile = await this.#verify(encoded, callbackUrl, request);
    const now = this.#clock.now();
    if (!isConfirmed(profile, { recipient: callbackUrl, request, now })) throw refused();
    if (profile.issuer !== this.#settings.issuer || profile.nameIDFormat === TRANSIENT) throw refused();
    if (typeof profile.nameID !== 'string' || profile.nameID === '' || profile.nameID.length > 512)
      throw refused();
    this.#useOnce(envelope.assertionId, now);
    return {
      issuer: this.#settings.issuer,
      subject: profile.nameID,
      claims: { ...((profile['attributes'] as object | undefined) ?? {}), nameID: profile.nameID },
    };
  }

  async #verify(encoded: string, callbackUrl: string, request: string): Promise<Profile> {
    try {
      const library = await this.#library(callbackUrl, request);
      const { profile } = await library.validatePostResponseAsync({ SAMLResponse: encoded });
      if (profile !== null) return profile;
    } catch (error) {
      throw refused(error);
    }
    throw refused();
  }

  /** Throws for an assertion that was used before. Attempts are single use too; this holds whatever becomes of them. */
  #useOnce(id: string, now: number): void {
    for (const [known, until] of this.#used) {
      if (until > now && this.#used.size < MAX_USED) break;
      this.#used.delete(known);
    }
    if (id === '' || this.#used.has(id)) throw refused();
    this.#used.set(id, now + MAX_AGE_MS + 2 * SKEW_MS);
  }

  unasked(form: Readonly<Record<string, string>>): SluiceError | undefined {
    const text = textOf(form);
    return /<(?:[\w.-]+:)?Response\b/.test(text) && !/\bInResponseTo\s*=/.test(text) ? unasked() : undefined;
  }

  async metadata(callbackUrl: string): Promise<string> {
    return (await this.#library(callbackUrl, '')).generateServiceProviderMetadata(null);
  }
}

/** SAML 2.0 Web Browser SSO: redirect out, POST back, never unasked. Reads only what is in the verified assertion. */
export function createSamlProvider(settings: SamlSettings, clock: Clock): SignInProvider {
  return new SamlProvider(settings, clock);
}
