import { createHash } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { Account, Authorizer } from '../../ports/authorizer.ts';
import type { Clock } from '../../ports/clock.ts';
import type { UpstreamRequest } from '../../ports/upstream.ts';

/** Carries the body's digest to the signer only: it is neither signed nor sent. */
const DIGEST_HEADER = 'x-amz-content-sha256';
/** Headers the signer makes, all of which the call needs. */
const MADE = ['authorization', 'x-amz-date', 'x-amz-security-token'];

interface KeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

function keyPair({ provider, settings }: Account): KeyPair {
  const { access_key_id, secret_access_key, session_token } = settings;
  if (!access_key_id || !secret_access_key) {
    throw new SluiceError(
      'upstream_auth',
      `\`${provider}\` has no complete AWS key pair: set \`credentials.access_key_id\` and ` +
        '`credentials.secret_access_key`, or `api_key` for a Bedrock API key.',
      { provider },
    );
  }
  const session = session_token ? { sessionToken: session_token } : {};
  return { accessKeyId: access_key_id, secretAccessKey: secret_access_key, ...session };
}

/**
 * What goes under the signature besides method, path, query and body: the host, the content type and, as the rules
 * demand, every `x-amz…` header. The others may be changed on the way without making the call invalid.
 */
function signedHeaders(request: UpstreamRequest): Record<string, string> {
  const kept = Object.entries(request.headers).filter(
    ([name]) => name === 'content-type' || (name.startsWith('x-amz') && name !== DIGEST_HEADER),
  );
  return { ...Object.fromEntries(kept), host: new URL(request.origin).host };
}

function queryOf(search: string): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  const given = new URLSearchParams(search);
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name);
    found[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  return found;
}

/** The request in the library's terms. Its hash in JavaScript is slow on megabytes, so Node makes the body's digest. */
function toSign(request: UpstreamRequest) {
  const { protocol, hostname } = new URL(request.origin);
  const queryAt = request.path.indexOf('?');
  const path = queryAt < 0 ? request.path : request.path.slice(0, queryAt);
  const digest = createHash('sha256')
    .update(request.body ?? '')
    .digest('hex');
  return {
    method: request.method,
    protocol,
    hostname,
    path,
    query: queryOf(queryAt < 0 ? '' : request.path.slice(queryAt)),
    headers: { ...signedHeaders(request), [DIGEST_HEADER]: digest },
  };
}

/**
 * AWS Signature Version 4 over a whole request, as `Authorization` header. The path is signed as it is sent, escaped once
 * more as every service but S3 demands: a model id's `%3A` on the wire stands as `%253A` in the canonical request.
 *
 * The key pair comes from the account's settings `access_key_id`, `secret_access_key` and `session_token`. Shared
 * credential files, SSO profiles, instance and container roles are not read; give temporary keys with their session token.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export function createSigV4Authorizer({ clock }: { readonly clock: Clock }): Authorizer {
  return {
    async authorize(request, account, signal) {
      const { provider, region, scheme } = account;
      const credentials = keyPair(account);
      if (scheme.type !== 'sigv4' || region === undefined || region === '') {
        throw new SluiceError('upstream_auth', `\`${provider}\` needs a \`region\` to sign for.`, {
          provider,
        });
      }
      // Loaded on the first signature, so that those who never sign start faster.
      const [{ SignatureV4 }, { Sha256 }] = await Promise.all([
        import('@smithy/signature-v4'),
        import('@aws-crypto/sha256-js'),
      ]);
      const signer = new SignatureV4({
        service: scheme.service,
        region,
        credentials,
        sha256: Sha256,
        uriEscapePath: true,
        applyChecksum: false,
      });
      const signed = await signer.sign(toSign(request), {
        signingDate: new Date(clock.now()),
        unsignableHeaders: new Set([DIGEST_HEADER]),
      });
      if (signal.aborted) throw new SluiceError('client_closed', 'The client left.');
      return Object.fromEntries(Object.entries(signed.headers).filter(([name]) => MADE.includes(name)));
    },
  };
}
