import { isIP } from 'node:net';
import type { buildConnector, Pool } from 'undici';
import connectorBuilder from 'undici/lib/core/connect.js';
import UndiciPool from 'undici/lib/dispatcher/pool.js';
import { SluiceError } from '../../core/errors/error.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import { DispatchedAnswer } from './answer.ts';
import { EgressError, guardedLookup, isPrivateAddress } from './egress.ts';
import { toSluiceError } from './errors.ts';
import { Line } from './line.ts';

/** What the adapter needs to know beforehand. */
export interface UndiciUpstreamConfig {
  /** Connections per origin where a request does not say how many; further requests wait. */
  readonly maxConnections: number;
  /** Largest header block of an answer. Default 64 KiB. */
  readonly maxHeaderBytes?: number;
  /** Certificates to trust instead of the system's, as PEM. */
  readonly ca?: string;
}

const DEFAULT_HEADER_BYTES = 64 * 1024;

/** Names of cloud metadata services, which resolve to link-local addresses inside clouds. */
const METADATA_NAMES = new Set(['metadata.google.internal', 'metadata', 'instance-data']);

/** Connects to public addresses only, unless private ones are allowed; the address checked is the one connected to. */
export function connectorFor(
  connectMs: number,
  allowPrivate: boolean,
  ca?: string,
): buildConnector.connector {
  const connect = connectorBuilder({
    ...(connectMs === 0 ? {} : { timeout: connectMs }),
    ...(ca === undefined ? {} : { ca }),
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

/** Where the requests to one origin go. */
interface Way {
  readonly pool: Pool;
  readonly line: Line;
}

/** Sends a request that has a place in the line; the answer gives it back. */
function dispatch({ pool, line }: Way, request: UpstreamRequest, answer: DispatchedAnswer): void {
  pool.dispatch(
    {
      method: request.method as 'POST',
      path: request.path,
      headers: request.headers as Record<string, string>,
      body: request.body ?? null,
      headersTimeout: request.timeouts.firstByteMs,
      bodyTimeout: request.timeouts.idleMs,
    },
    answer.holding(line),
  );
}

/** Dispatches, now or when a connection is free; what goes wrong at once is told. Returns how to stop waiting. */
function dispatchInTurn(
  way: Way,
  request: UpstreamRequest,
  { answer, failed }: { answer: DispatchedAnswer; failed: (error: SluiceError) => void },
): (() => void) | undefined {
  const go = (): void => {
    try {
      dispatch(way, request, answer);
    } catch (error) {
      answer.release();
      failed(toSluiceError(error as Error, false));
    }
  };
  if (way.line.take()) {
    go();
    return undefined;
  }
  return way.line.wait(request.timeouts.firstByteMs, go, failed);
}

/** Reaches providers over undici `dispatch`, one pool per origin. Redirects are never followed. */
export function openUndiciUpstream(config: UndiciUpstreamConfig): Upstream {
  const ways = new Map<string, Way>();

  function wayFor(request: UpstreamRequest): Way {
    const connections = request.maxConnections ?? config.maxConnections;
    const key = `${request.origin} ${request.timeouts.connectMs} ${request.allowPrivateNetwork} ${connections}`;
    let way = ways.get(key);
    if (way === undefined) {
      const pool = new UndiciPool(request.origin, {
        connections,
        pipelining: 1,
        keepAliveTimeout: 30_000,
        connect: connectorFor(request.timeouts.connectMs, request.allowPrivateNetwork, config.ca),
        maxHeaderSize: config.maxHeaderBytes ?? DEFAULT_HEADER_BYTES,
      });
      way = { pool, line: new Line(connections) };
      ways.set(key, way);
    }
    return way;
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
        let leave: (() => void) | undefined;
        const abort = (): void => {
          leave?.();
          answer.cancel();
          // Undici tells of an abort only once it has connected, which may take as long as the connect limit.
          if (answer.status === 0) reject(new SluiceError('client_closed', 'The client left.'));
        };
        signal.addEventListener('abort', abort, { once: true });
        leave = dispatchInTurn(wayFor(request), request, { answer, failed });
      });
    },
    async close() {
      await Promise.all([...ways.values()].map(({ pool }) => pool.destroy()));
      ways.clear();
    },
  };
}
