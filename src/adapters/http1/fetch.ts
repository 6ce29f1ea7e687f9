import type { Upstream } from '../../ports/upstream.ts';
import { evenTimeouts } from './timeouts.ts';

/** Bounds of the calls of one user. */
export interface FetchLimits {
  readonly allowPrivateNetwork: boolean;
  /** Deadline of each phase of a call (see `UpstreamTimeouts`). Milliseconds. */
  readonly timeoutMs: number;
  /** Largest body of an answer. Bytes. */
  readonly maxBytes: number;
}

/** Statuses whose answers have no body (Fetch, "null body status"). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * `fetch` for libraries that want one, over the way everything else goes out: egress guard, proxy, no redirects, bounds on time
 * and size. Rejects with a `SluiceError`.
 */
export function createFetch(upstream: Upstream, limits: FetchLimits): typeof fetch {
  const { allowPrivateNetwork, timeoutMs, maxBytes } = limits;
  const timeouts = evenTimeouts(timeoutMs);
  return async (input, init) => {
    const request = new Request(input, init);
    const { origin, pathname, search } = new URL(request.url);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const answer = await upstream.send(
      {
        method: request.method,
        origin,
        path: pathname + search,
        headers: Object.fromEntries(request.headers),
        body,
        timeouts,
        allowPrivateNetwork,
      },
      request.signal,
    );
    const bytes = await answer.bytes(maxBytes);
    const { status } = answer;
    return new Response(BODILESS.has(status) ? null : new Uint8Array(bytes), {
      status,
      headers: { ...answer.headers },
    });
  };
}
