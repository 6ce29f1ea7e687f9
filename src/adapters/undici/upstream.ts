import { isIP } from 'node:net';
import { buildConnector, Pool } from 'undici';
import { SluiceError } from '../../core/errors/error.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import { DispatchedAnswer } from './answer.ts';
import { EgressError, guardedLookup, isPrivateAddress } from './egress.ts';
import { toSluiceError } from './errors.ts';

/** What the adapter needs to know beforehand. */
export interface UndiciUpstreamConfig {
  /** Connections per origin; further requests wait inside the pool. */
  readonly maxConnections: number;
}

/** Names of cloud metadata services, which resolve to link-local addresses inside clouds. */
const METADATA_NAMES = new Set(['metadata.google.internal', 'metadata', 'instance-data']);

function connectorFor(connectMs: number, allowPrivate: boolean): buildConnector.connector {
  const connect = buildConnector({
    ...(connectMs === 0 ? {} : { timeout: connectMs }),
    ...(allowPrivate ? {} : { lookup: guardedLookup as never }),
  });
  if (allowPrivate) return connect;
  return (options, callback) => {
    const host = options.hostname;
    // A lookup hook is not called for IP literals (measured, RELIABILITY T9), so they are checked here.
    const bare = host.startsWith('[') ? host.slice(1, -1) : host;
    if ((isIP(bare) !== 0 && isPrivateAddress(bare)) || METADATA_NAMES.has(host.toLowerCase())) {
      callback(new EgressError('private address refused'), null);
      return;
    }
    connect(options, callback);
  };
}

/** Reaches providers over undici `dispatch`, one pool per origin. Redirects are never followed. */
export function openUndiciUpstream(config: UndiciUpstreamConfig): Upstream {
  const pools = new Map<string, Pool>();

  function poolFor(request: UpstreamRequest): Pool {
    const key = `${request.origin} ${request.timeouts.connectMs} ${request.allowPrivateNetwork}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = new Pool(request.origin, {
        connections: config.maxConnections,
        pipelining: 1,
        keepAliveTimeout: 30_000,
        connect: connectorFor(request.timeouts.connectMs, request.allowPrivateNetwork),
        maxHeaderSize: 64 * 1024,
      });
      pools.set(key, pool);
    }
    return pool;
  }

  return {
    send(request, signal) {
      return new Promise<UpstreamAnswer>((resolve, reject) => {
        if (signal.aborted) {
          reject(new SluiceError('client_closed', 'The client left.'));
          return;
        }
        const failed = (error: SluiceError): void => {
          reject(signal.aborted ? new SluiceError('client_closed', 'The client left.') : error);
        };
        const answer = new DispatchedAnswer(resolve, failed, request);
        const abort = (): void => {
          answer.cancel();
          // Undici tells of an abort only once it has connected, which may take as long as the connect limit.
          if (answer.status === 0) reject(new SluiceError('client_closed', 'The client left.'));
        };
        signal.addEventListener('abort', abort, { once: true });
        try {
          poolFor(request).dispatch(
            {
              method: request.method as 'POST',
              path: request.path,
              headers: request.headers as Record<string, string>,
              body: request.body ?? null,
              headersTimeout: request.timeouts.firstByteMs,
              bodyTimeout: request.timeouts.idleMs,
            },
            answer,
          );
        } catch (error) {
          reject(toSluiceError(error as Error, false));
        }
      });
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}
