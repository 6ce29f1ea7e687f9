import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { openUpstream } from '../../src/adapters/http1/upstream.ts';
import type { Upstream, UpstreamRequest } from '../../src/ports/upstream.ts';

let server: Server | undefined;
let upstream: Upstream | undefined;

afterEach(async () => {
  await upstream?.close();
  server?.closeAllConnections();
  server?.close();
});

async function silentServer(): Promise<UpstreamRequest> {
  server = createServer(() => undefined);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return {
    method: 'POST',
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    path: '/',
    headers: {},
    body: '{}',
    timeouts: { connectMs: 5000, firstByteMs: 5000, idleMs: 5000, totalMs: 0 },
    allowPrivateNetwork: true,
  };
}

describe('an aborted call', () => {
  // Found by the simulator, seed 50: the exchange of a client that had left lived on until the connect limit.
  it('ends at once although it has no connection yet', async () => {
    const request = await silentServer();
    upstream = openUpstream({ maxConnections: 1 });
    const first = upstream.send(request, new AbortController().signal);
    first.catch(() => undefined);
    const leaving = new AbortController();
    const waiting = upstream.send(request, leaving.signal);
    const started = performance.now();
    setTimeout(() => leaving.abort(), 20);
    await expect(waiting).rejects.toMatchObject({ code: 'client_closed' });
    expect(performance.now() - started).toBeLessThan(4000);
  });
});
