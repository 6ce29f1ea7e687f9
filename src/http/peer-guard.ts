import { badRequest, SluiceError } from '../core/errors/error.ts';
import { cameOverTls } from './client-address.ts';
import { refuseDuplicates } from './client-facts.ts';
import type { ClientRequest } from './client-request.ts';

/** Which `Host` and `Origin` values are accepted. */
export interface PeerGuardConfig {
  readonly host: string;
  /** Further names the gateway answers to. */
  readonly allowedHosts: readonly string[];
  readonly publicUrl: string | undefined;
}

/** Stops web pages of other sites from driving a gateway on localhost (RELIABILITY T18), and ambiguous requests (T2, T6). */
export interface PeerGuard {
  /** Why the request is refused, or `undefined`. The data plane never reads cookies, so there they tell nothing. */
  refusal(request: ClientRequest, dataPlane: boolean): SluiceError | undefined;
}

/** A host name or address with an optional port (RFC 9110 §7.2), and nothing else: no user, no path. */
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i;

/** The name in a `Host` header, lower case; empty when it is no authority. */
function hostName(authority: string): string {
  return AUTHORITY.exec(authority)?.[1]?.toLowerCase() ?? '';
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
const ANY = new Set(['0.0.0.0', '::', '[::]']);

function allowedNames(config: PeerGuardConfig): ReadonlySet<string> | undefined {
  const names = new Set([...LOOPBACK, ...config.allowedHosts.map((name) => name.toLowerCase())]);
  if (config.publicUrl !== undefined) names.add(hostName(new URL(config.publicUrl).host));
  // Listening on every interface without saying which names are ours: any name may be right.
  if (ANY.has(config.host) && names.size === LOOPBACK.length) return undefined;
  names.add(config.host.includes(':') ? `[${config.host}]` : config.host.toLowerCase());
  return names;
}

function hostRefusal(
  host: string | undefined,
  names: ReadonlySet<string> | undefined,
): SluiceError | undefined {
  const name = hostName(host ?? '');
  if (name !== '' && (names === undefined || names.has(name))) return undefined;
  return new SluiceError(
    'host_not_allowed',
    'This gateway does not answer to that `Host`. Add the name to `server.allowed_hosts`.',
    { param: 'host' },
  );
}

/**
 * An identity provider answers by a form that its own page posts. It is read without cookies, only as the signed answer to
 * a sign-in that was begun here; the session goes to the browser that began it, on its next request.
 */
function isSamlAnswer(request: ClientRequest): boolean {
  return request.method === 'POST' && /^\/auth\/saml\/[a-z0-9._-]+\/acs$/.test(request.url ?? '');
}

const READS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD']);

/**
 * Browsers say where a request comes from in `Origin`, and on every write. Only a page of our own may write with a cookie,
 * so a cookie on a write without `Origin` is refused as well (T17).
 */
function originRefusal(
  request: ClientRequest,
  dataPlane: boolean,
  secureHost: string | undefined,
): SluiceError | undefined {
  const { host = '', origin, cookie, authorization } = request.headers;
  if (origin === undefined) {
    const write = !READS.has(request.method);
    const site = request.headers['sec-fetch-site'];
    const foreign = site !== undefined && site !== 'same-origin' && site !== 'none';
    const unexplained = !dataPlane && cookie !== undefined && authorization === undefined;
    if (!write || (!foreign && !unexplained) || isSamlAnswer(request)) return undefined;
  } else {
    let from = '';
    let protocol = '';
    try {
      ({ host: from, protocol } = new URL(origin));
    } catch {}
    // The same name without TLS is anybody on the way.
    const downgraded = protocol === 'http:' && (from === secureHost || cameOverTls(request));
    if (from !== '' && !downgraded && from.toLowerCase() === host.toLowerCase()) return undefined;
    if (isSamlAnswer(request)) return undefined;
  }
  return new SluiceError('forbidden', 'Requests from web pages of other sites are refused (`Origin`).', {
    param: 'origin',
  });
}

/** See {@link PeerGuard}. */
export function createPeerGuard(config: PeerGuardConfig): PeerGuard {
  const names = allowedNames(config);
  const url = config.publicUrl === undefined ? undefined : new URL(config.publicUrl);
  const secureHost = url?.protocol === 'https:' ? url.host : undefined;
  /** The last `Host` that was accepted: nearly all requests have the same. */
  let accepted: string | undefined;
  return {
    refusal(request, dataPlane) {
      try {
        refuseDuplicates(request);
      } catch (error) {
        if (error instanceof SluiceError) return error;
        throw error;
      }
      const target = request.url ?? '';
      // No absolute form and no `//host`: what stands before the path is never read.
      if (!target.startsWith('/') || target.startsWith('//')) {
        return badRequest('path', 'The request target must be a path that begins with one `/`.');
      }
      const { host } = request.headers;
      if (host === undefined || host !== accepted) {
        const refused = hostRefusal(host, names);
        if (refused !== undefined) return refused;
        accepted = host;
      }
      return originRefusal(request, dataPlane, secureHost);
    },
  };
}
