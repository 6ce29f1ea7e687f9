import { readProxies } from '../adapters/http1/outbound-proxies.ts';
import { evenTimeouts } from '../adapters/http1/timeouts.ts';
import { openUpstream } from '../adapters/http1/upstream.ts';

/** Whether an environment names an outbound proxy, and what is wrong with it. */
export function lookAtProxy(environment: ReachOptions['environment']): { problem?: string } | undefined {
  try {
    return readProxies(environment) && {};
  } catch (error) {
    return { problem: (error as Error).message };
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
        timeouts: evenTimeouts(0),
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
