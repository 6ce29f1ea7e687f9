import { readProxies } from '../adapters/http1/outbound-proxies.ts';
import { openUpstream } from '../adapters/http1/upstream.ts';

const MAX_HEADER_BYTES = 65_536;

/** What is wrong with the outbound proxy of an environment; `''`: nothing, `undefined`: there is none. */
export function proxyProblem(environment: ReachOptions['environment']): string | undefined {
  try {
    return readProxies(environment) === undefined ? undefined : '';
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Asks an address the way the gateway would, through its proxy too, and gives the `date` of whatever it answers. No credential is
 * sent. Throws `SluiceError` when no answer comes.
 */
export async function reachProvider(
  url: string,
  { environment, signal }: ReachOptions,
): Promise<string | undefined> {
  const { origin, pathname, search } = new URL(url);
  const upstream = openUpstream({
    maxConnections: 1,
    maxHeaderBytes: MAX_HEADER_BYTES,
    proxies: readProxies(environment),
  });
  try {
    const answer = await upstream.send(
      {
        method: 'GET',
        origin,
        path: pathname + search,
        headers: { accept: '*/*' },
        body: undefined,
        timeouts: { connectMs: 0, firstByteMs: 0, idleMs: 0, totalMs: 0 },
        allowPrivateNetwork: true,
      },
      signal,
    );
    answer.cancel();
    return answer.headers['date'];
  } finally {
    await upstream.close();
  }
}

interface ReachOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}
