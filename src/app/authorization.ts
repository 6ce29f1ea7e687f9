import { awsRegion, awsSettings } from '../adapters/aws/settings.ts';
import { createSigV4Authorizer } from '../adapters/aws/sigv4.ts';
import { createGoogleAuthorizer } from '../adapters/google/oauth.ts';
import { googleSettings } from '../adapters/google/service-account.ts';
import type { Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { Upstream } from '../ports/upstream.ts';
import type { Provider } from '../providers/provider.ts';

/** The facts of a provider that decide how its calls are authorized. */
export interface CredentialFacts {
  /** Plain keys, which go as they are and win over signing. */
  readonly credentials: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  readonly region: string | undefined;
  /** Calls are authorized from `settings`. */
  readonly signed: boolean;
}

/** One authorizer per scheme. */
export function createAuthorizers(ports: {
  readonly clock: Clock;
  readonly upstream: Upstream;
}): Authorizers {
  return { sigv4: createSigV4Authorizer(ports), 'google-oauth': createGoogleAuthorizer(ports) };
}

/** Whether a vendor's variable holds part of a credential that signs, or its path, and must never go out as it is. */
export function isSigningVariable({ auth }: Provider, variable: string): boolean {
  return auth.type === 'google-oauth' || (auth.type === 'sigv4' && !variable.startsWith('AWS_BEARER_TOKEN'));
}

/** Completes what the file says about signing with the vendor SDKs' own environment variables, where it says nothing. */
export function completeCredentials(
  vendor: Provider,
  given: Omit<CredentialFacts, 'signed'>,
  environment: Readonly<Record<string, string | undefined>>,
): CredentialFacts {
  const plain = given.credentials.length > 0;
  // With a plain key the environment's credentials are not wanted; the file's may still name the project.
  const source = plain ? {} : environment;
  switch (vendor.auth.type) {
    case 'sigv4': {
      const settings = awsSettings(given.settings, source);
      const signed = !plain && settings['access_key_id'] !== undefined;
      return { ...given, settings, region: given.region ?? awsRegion(environment), signed };
    }
    case 'google-oauth': {
      const settings = googleSettings(given.settings, source);
      const account = settings['service_account_json'] ?? settings['service_account_file'];
      return { ...given, settings, signed: !plain && account !== undefined };
    }
    default:
      return { ...given, signed: false };
  }
}
