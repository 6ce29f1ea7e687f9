import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningSimulator, startSimulator } from '../simulator.ts';

let sim: RunningSimulator;
beforeAll(async () => {
  sim = await startSimulator({ latency: 'none', deadEnds: true });
});
afterAll(() => sim.close());

/** What becomes of a connection that sends one line: an error code, `end`, or `silence` after 300 ms. */
function fate(url: string, wait: 'connected' | 'answered'): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    const finish = (how: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(how);
    };
    const timer = setTimeout(() => finish('silence'), 300);
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'error'));
    socket.on('connect', () => {
      if (wait === 'connected') finish('connected');
      else socket.write('GET / HTTP/1.1\r\n\r\n');
    });
    socket.on('data', (data) => finish(data.toString('latin1').slice(0, 8)));
    socket.on('end', () => finish('end'));
  });
}

describe('addresses that fail below HTTP', () => {
  it('refuses, resets, stays silent, never accepts, and answers TLS in plain text', async () => {
    const at = sim.deadEnds;
    if (at === undefined) throw new Error('no dead ends');
    expect(await fate(at.refused, 'answered')).toBe('ECONNREFUSED');
    expect(['ECONNRESET', 'EPIPE', 'end']).toContain(await fate(at.reset, 'answered'));
    expect(await fate(at.black_hole, 'connected')).toBe('connected');
    expect(await fate(at.black_hole, 'answered')).toBe('silence');
    expect(await fate(at.unaccepting, 'connected')).toBe('silence');
    expect(at.tls).toMatch(/^https:/);
    expect(await fate(at.tls, 'answered')).toBe('HTTP/1.1');
  });

  it('lists them beside the faults, and opens none unasked', async () => {
    const listed = (await (await fetch(`${sim.url}/__sim/faults`)).json()) as {
      dead_ends: { url: string | null }[];
    };
    expect(listed.dead_ends.map(({ url }) => url)).toEqual(Object.values(sim.deadEnds ?? {}));
    const plain = await startSimulator({ latency: 'none' });
    expect(plain.deadEnds).toBeUndefined();
    await plain.close();
  });
});
