import type { IncomingMessage, ServerResponse } from 'node:http';
import { SluiceError } from '../core/errors/error.ts';
import { CODECS } from '../formats/registry.ts';
import { adminError } from './admin.ts';

/** Which `Host` and `Origin` values are accepted. */
export interface PeerGuardConfig {
  readonly host: string;
  /** Further names the gateway answers to. */
  readonly allowedHosts: readonly string[];
  readonly publicUrl: string | undefined;
}

/** Stops web pages of other sites from driving a gateway on localhost (RELIABILITY T18). */
export interface PeerGuard {
  /** False when the request was refused and answered. */
  admit(request: IncomingMessage, response: ServerResponse, dataPlane: boolean): boolean;
}

function hostName(authority: string): string {
  const bracket = authority.indexOf(']');
  if (authority.startsWith('[') && bracket > 0) return authority.slice(0, bracket + 1).toLowerCase();
  return (authority.split(':', 1)[0] ?? '').toLowerCase();
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

function refusal(request: IncomingMessage, names: ReadonlySet<string> | undefined): SluiceError | undefined {
  const { host, origin } = request.headers;
  if (host === undefined || (names !== undefined && !names.has(hostName(host)))) {
    return new SluiceError(
      'host_not_allowed',
      'This gateway does not answer to that `Host`. Add the name to `server.allowed_hosts`.',
    );
  }
  if (origin === undefined) return undefined;
  let from: string;
  try {
    from = new URL(origin).host;
  } catch {
    from = '';
  }
  if (from.toLowerCase() === host.toLowerCase()) return undefined;
  return new SluiceError('forbidden', 'Requests from web pages of other sites are refused (`Origin`).');
}

/** See {@link PeerGuard}. */
export function createPeerGuard(config: PeerGuardConfig): PeerGuard {
  const names = allowedNames(config);
  return {
    admit(request, response, dataPlane) {
      const error = refusal(request, names);
      if (error === undefined) return true;
      const { status, body } = dataPlane
        ? CODECS['openai-chat'].encodeError(error, 'none')
        : { status: error.status, body: adminError(error).body };
      response.writeHead(status, {
        'content-type': 'application/json',
        'x-sluice-error': error.code,
        connection: 'close',
      });
      response.end(JSON.stringify(body));
      return false;
    },
  };
}
