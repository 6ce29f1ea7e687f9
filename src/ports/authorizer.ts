import type { UpstreamRequest } from './upstream.ts';

/** Ways to authorize a call that need more than one header made from one string. */
export type SigningScheme =
  | { readonly type: 'sigv4'; readonly service: string }
  | { readonly type: 'google-oauth' };

/** In whose name a call is made. */
export interface Account {
  /** The provider's name in the configuration, for sentences. */
  readonly provider: string;
  readonly scheme: SigningScheme;
  /** The region the call goes to. */
  readonly region: string | undefined;
  /** The provider's `credentials` from the configuration, by their names there. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Turns credentials that are more than a header into the headers of one call. */
export interface Authorizer {
  /**
   * The headers to add to `request`, lower-case names; they hold for exactly this request, sent now. May take a while
   * without holding up anybody else. Throws `upstream_auth` when the credentials are missing, unusable or refused, with
   * a sentence that holds nothing secret, and `client_closed` as soon as `signal` aborts.
   */
  authorize(
    request: UpstreamRequest,
    account: Account,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>>>;
}

/** One authorizer per scheme. */
export type Authorizers = Readonly<Record<SigningScheme['type'], Authorizer>>;
