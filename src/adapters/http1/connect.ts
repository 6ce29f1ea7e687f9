import { isIP, type Socket } from 'node:net';
import type { buildConnector } from 'undici';
import connectorBuilder from 'undici/lib/core/connect.js';
import { EgressError, guardedLookup, isPrivateAddress } from './egress.ts';
import type { OutboundProxies, OutboundProxy } from './outbound-proxies.ts';
import { openTunnel } from './tunnel.ts';

/** Names of cloud metadata services, which resolve to link-local addresses inside clouds. */
const METADATA_NAMES = new Set(['metadata.google.internal', 'metadata', 'instance-data']);

/** How connections to an origin are opened. */
export interface ConnectRules {
  /** Milliseconds; 0: no limit. */
  readonly connectMs: number;
  readonly allowPrivate: boolean;
  /** Certificates to trust instead of the system's, as PEM. */
  readonly ca?: string | undefined;
  /** Where the bytes of every socket arrive, instead of in its `data` events: node's `onread`. */
  readonly onread?: OnRead;
  /** Ways TLS connections to other machines take. */
  readonly proxies?: OutboundProxies | undefined;
}

/** Node's `onread`. */
export interface OnRead {
  readonly buffer: Buffer;
  callback(this: Socket, length: number, buffer: Uint8Array): boolean;
}

/** Opens a connection. Returns its socket, so that who gives up can destroy it before it is open; `undefined` when it was refused. */
export type Connect = (
  options: buildConnector.Options,
  callback: buildConnector.Callback,
) => Socket | undefined;

/** A refusal of hosts by what is known before any name lookup; `undefined`: none. */
function refusalOf(host: string): EgressError | undefined {
  // A lookup hook is not called for IP literals (measured, RELIABILITY T9), so they are checked here.
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  const isRefused = (isIP(bare) !== 0 && isPrivateAddress(bare)) || METADATA_NAMES.has(host.toLowerCase());
  return isRefused ? new EgressError('private address refused') : undefined;
}

/** Opens TLS connections through a proxy's tunnels. The proxy looks names up: what they resolve to is for its rules to judge. */
function connectorThrough(rules: ConnectRules): (proxy: OutboundProxy) => Connect {
  const connect = connectorBuilder({
    allowH2: false,
    ...(rules.connectMs === 0 ? {} : { timeout: rules.connectMs }),
    ...(rules.ca === undefined ? {} : { ca: rules.ca }),
  } as buildConnector.BuildOptions);
  return (proxy) => (options, callback) => {
    const authority = `${options.hostname.includes(':') ? `[${options.hostname}]` : options.hostname}:${options.port || 443}`;
    return openTunnel(proxy, { authority, connectMs: rules.connectMs }, (error, socket) => {
      if (error !== null) return callback(error, null);
      const secure = connect({ ...options, httpSocket: socket }, callback);
      // Over another socket node leaves `onread` aside.
      const { onread } = rules;
      if (onread !== undefined)
        secure?.on('data', (piece) => onread.callback.call(secure, piece.length, piece));
    });
  };
}

/**
 * Opens TCP and TLS connections: undici's connector (name lookup, both address families, TLS sessions, the time limit), to public
 * addresses only unless private ones are allowed; the address checked is the one connected to. TLS connections go through a proxy
 * where one is named.
 */
export function connectorFor(rules: ConnectRules): Connect {
  const { proxies } = rules;
  const direct = connectorBuilder({
    allowH2: false,
    // Who reads like this also says when the socket is to close: see what the other end makes of its own end first.
    ...(rules.onread === undefined ? {} : { onread: rules.onread, allowHalfOpen: true }),
    ...(rules.connectMs === 0 ? {} : { timeout: rules.connectMs }),
    ...(rules.ca === undefined ? {} : { ca: rules.ca }),
    ...(rules.allowPrivate ? {} : { lookup: guardedLookup as never }),
  } as buildConnector.BuildOptions);
  if (rules.allowPrivate && proxies === undefined) return direct;
  const through = connectorThrough(rules);
  return (options, callback) => {
    const { hostname, protocol, port } = options;
    const refusal = rules.allowPrivate ? undefined : refusalOf(hostname);
    if (refusal !== undefined) {
      callback(refusal, null);
      return undefined;
    }
    const proxy = protocol === 'https:' ? proxies?.proxyFor(hostname, Number(port) || 443) : undefined;
    return (proxy === undefined ? direct : through(proxy))(options, callback);
  };
}
