import { isIP, type Socket } from 'node:net';
import type { buildConnector } from 'undici';
import connectorBuilder from 'undici/lib/core/connect.js';
import { EgressError, guardedLookup, isPrivateAddress } from './egress.ts';

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
  readonly onread?: object;
}

/** Opens a connection. Returns its socket, so that who gives up can destroy it before it is open; `undefined` when it was refused. */
export type Connect = (
  options: buildConnector.Options,
  callback: buildConnector.Callback,
) => Socket | undefined;

/**
 * Opens TCP and TLS connections: undici's connector (name lookup, both address families, TLS sessions, the time limit), to public
 * addresses only unless private ones are allowed; the address checked is the one connected to.
 */
export function connectorFor(rules: ConnectRules): Connect {
  const connect = connectorBuilder({
    allowH2: false,
    // Who reads like this also says when the socket is to close: see what the other end makes of its own end first.
    ...(rules.onread === undefined ? {} : { onread: rules.onread, allowHalfOpen: true }),
    ...(rules.connectMs === 0 ? {} : { timeout: rules.connectMs }),
    ...(rules.ca === undefined ? {} : { ca: rules.ca }),
    ...(rules.allowPrivate ? {} : { lookup: guardedLookup as never }),
  } as buildConnector.BuildOptions);
  if (rules.allowPrivate) return connect;
  return (options, callback) => {
    const host = options.hostname;
    // A lookup hook is not called for IP literals (measured, RELIABILITY T9), so they are checked here.
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    if ((isIP(bare) !== 0 && isPrivateAddress(bare)) || METADATA_NAMES.has(host.toLowerCase())) {
      callback(new EgressError('private address refused'), null);
      return undefined;
    }
    return connect(options, callback);
  };
}
