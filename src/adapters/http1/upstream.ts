import { SluiceError } from '../../core/errors/error.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import { TurnOutbox } from '../system/outbox.ts';
import { ReceivedAnswer } from './answer.ts';
import { connectorFor } from './connect.ts';
import { ONREAD } from './connection.ts';
import { toSluiceError } from './errors.ts';
import { Origin } from './origin.ts';
import type { OutboundProxies } from './outbound-proxies.ts';

/** What the adapter needs to know beforehand. */
export interface UpstreamConfig {
  /** Connections per origin where a request does not say how many; further requests wait. */
  readonly maxConnections: number;
  /** Largest header block of an answer. Default 64 KiB. */
  readonly maxHeaderBytes?: number;
  /** Certificates to trust instead of the system's, as PEM. */
  readonly ca?: string;
  /** Ways TLS connections to other machines take. Default: the direct one. */
  readonly proxies?: OutboundProxies | undefined;
}

const DEFAULT_HEADER_BYTES = 64 * 1024;

/** How long a request may wait for a connection. Milliseconds; 0: no limit. */
function waitLimit({ firstByteMs, totalMs }: UpstreamRequest['timeouts']): number {
  if (firstByteMs === 0 || totalMs === 0) return firstByteMs + totalMs;
  return Math.min(firstByteMs, totalMs);
}

/** Sends, now or when a connection is free; what goes wrong at once is told. Returns how to stop waiting. */
function sendInTurn(
  origin: Origin,
  request: UpstreamRequest,
  { answer, failed }: { answer: ReceivedAnswer; failed: (error: SluiceError) => void },
): (() => void) | undefined {
  const go = (): void => {
    answer.holding(origin.line);
    try {
      origin.send(request, answer);
    } catch (error) {
      answer.cancel();
      failed(toSluiceError(error as Error, false));
    }
  };
  if (origin.line.take()) {
    go();
    return undefined;
  }
  return origin.line.wait(waitLimit(request.timeouts), go, failed);
}

/**
 * Reaches providers over HTTP/1.1 connections of our own (docs/decisions/0018). Redirects are never followed, and a request is sent
 * once: whether it may be sent again is for the pipeline to say. Only one that met a connection being closed goes out anew.
 */
export function openUpstream(config: UpstreamConfig): Upstream {
  const origins = new Map<string, Origin>();
  // Requests become ready in groups: when their holds have been journalled.
  const outbox = new TurnOutbox(process.nextTick);

  function originFor(request: UpstreamRequest): Origin {
    const connections = request.maxConnections ?? config.maxConnections;
    const { connectMs } = request.timeouts;
    const key = `${request.origin} ${connectMs} ${request.allowPrivateNetwork} ${connections}`;
    let origin = origins.get(key);
    if (origin === undefined) {
      const { ca, proxies } = config;
      const rules = { connectMs, allowPrivate: request.allowPrivateNetwork, ca, proxies, onread: ONREAD };
      origin = new Origin({
        origin: request.origin,
        connect: connectorFor(rules),
        connections,
        maxHeaderBytes: config.maxHeaderBytes ?? DEFAULT_HEADER_BYTES,
        outbox,
      });
      origins.set(key, origin);
    }
    return origin;
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
        const answer = new ReceivedAnswer(resolve, failed, request);
        let leave: (() => void) | undefined;
        const abort = (): void => {
          leave?.();
          answer.cancel();
          if (answer.status === 0) reject(new SluiceError('client_closed', 'The client left.'));
        };
        signal.addEventListener('abort', abort, { once: true });
        leave = sendInTurn(originFor(request), request, { answer, failed });
      });
    },
    async close() {
      for (const origin of origins.values()) origin.destroy();
      origins.clear();
    },
  };
}
