import type { Agent } from 'undici';
import { SluiceError } from '../../core/errors/error.ts';
import { connectorFor } from '../http1/connect.ts';

/** How to reach a provider of identities. */
export interface FetchLimits {
  readonly allowPrivateNetwork: boolean;
  /** Deadline of one call, headers and body together. Milliseconds. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 5000;
/** Discovery documents, key sets and token answers are a few kilobytes. */
const MAX_BYTES = 512 * 1024;

/** Says that the provider of identities cannot be reached now; nothing of where it is. */
export function unreachable(cause: unknown): SluiceError {
  return new SluiceError(
    'upstream_unreachable',
    'The identity provider does not answer; try again in a moment, or sign in another way.',
    { cause, retryAfterS: 5 },
  );
}

async function bounded(body: ReadableStream<Uint8Array> | null): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    size += part.byteLength;
    if (size > MAX_BYTES) throw new Error('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * `fetch` under the rules of the egress guard: no private addresses unless allowed, no redirects, a deadline and a bound
 * on what is read.
 */
export function createGuardedFetch(limits: FetchLimits): typeof fetch {
  let agent: Agent | undefined;
  return async (input, init) => {
    // Only gateways with a provider of identities need it.
    const undici = await import('undici');
    agent ??= new undici.Agent({
      connect: connectorFor({
        connectMs: limits.timeoutMs ?? TIMEOUT_MS,
        allowPrivate: limits.allowPrivateNetwork,
      }),
      connections: 8,
      pipelining: 1,
      keepAliveTimeout: 10_000,
    });
    const answer = await undici.fetch(input as string, {
      ...(init as object),
      redirect: 'manual',
      dispatcher: agent,
      signal: AbortSignal.timeout(limits.timeoutMs ?? TIMEOUT_MS),
    });
    const body = await bounded(answer.body as ReadableStream<Uint8Array> | null);
    const empty = answer.status === 204 || answer.status === 304;
    return new Response(empty ? null : new Uint8Array(body), {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
    });
  };
}
