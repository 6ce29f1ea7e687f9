import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Upstream, UpstreamRequest } from '../../ports/upstream.ts';
import { openUpstream } from './upstream.ts';

const open: ServerResponse[] = [];
let most = 0;
let upstream: Upstream;
let origin: string;
const server = createServer((_request, response) => {
  open.push(response);
  most = Math.max(most, open.filter((one) => !one.writableEnded && !one.destroyed).length);
});

beforeEach(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  upstream = openUpstream({ maxConnections: 512 });
  open.length = 0;
  most = 0;
});

afterEach(async () => {
  await upstream.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function send(signal: AbortSignal = new AbortController().signal, firstByteMs = 5000) {
  const request: UpstreamRequest = {
    method: 'POST',
    origin,
    path: '/',
    headers: {},
    body: 'x',
    timeouts: { connectMs: 1000, firstByteMs, idleMs: 5000, totalMs: 0 },
    allowPrivateNetwork: true,
    maxConnections: 2,
  };
  return upstream.send(request, signal);
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 300) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const endOne = (at: number) => open[at]?.end('done');

describe('connections to one origin', () => {
  it('are never more than allowed, and who waits is served in order', async () => {
    const calls = Array.from({ length: 6 }, async () => (await send()).bytes(100));
    for (let at = 0; at < 6; at++) {
      await until(() => open.length > at);
      endOne(at);
    }
    const answers = await Promise.all(calls);
    expect(answers.map((bytes) => Buffer.from(bytes).toString())).toEqual(Array(6).fill('done'));
    expect(most).toBe(2);
  });

  it('a place is given back by an answer that was cancelled, cut or never came', async () => {
    const leaving = new AbortController();
    const left = send(leaving.signal);
    const cut = send();
    const third = send();
    await until(() => open.length === 2);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'client_closed' });
    await until(() => open.length === 3);
    open[1]?.destroy();
    await expect(cut).rejects.toMatchObject({ code: 'upstream_unreachable' });
    const fourth = send();
    await until(() => open.length === 4);
    endOne(2);
    endOne(3);
    expect((await third).status).toBe(200);
    expect((await fourth).status).toBe(200);
  });

  it('who leaves while waiting is never sent, and a wait has an end', async () => {
    const first = send();
    const second = send();
    await until(() => open.length === 2);
    const leaving = new AbortController();
    const left = send(leaving.signal);
    const late = send(undefined, 60);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'client_closed' });
    await expect(late).rejects.toMatchObject({ code: 'upstream_timeout' });
    await expect(late).rejects.toThrow(/max_connections/);
    endOne(0);
    endOne(1);
    await Promise.all([(await first).bytes(10), (await second).bytes(10)]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(open.length).toBe(2);
  });
});
