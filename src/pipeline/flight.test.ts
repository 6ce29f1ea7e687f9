import { describe, expect, it } from 'vitest';
import { SluiceError } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Answer, Exchange } from './exchange.ts';
import { Flight, FlightBuffers, type Following } from './flight.ts';
import { Tether } from './tether.ts';

const clock: Clock = { now: () => 0, monotonic: () => 0, after: () => () => undefined };

function asking(): { exchange: Exchange; leave: () => void } {
  const controller = new AbortController();
  const exchange = { client: { timeoutMs: undefined }, signal: controller.signal } as unknown as Exchange;
  return { exchange, leave: () => controller.abort() };
}

function flying(maxBytes = 1000) {
  const buffers = new FlightBuffers();
  let closed = false;
  const flight = new Flight({
    maxBytes,
    maxTotalBytes: 10_000,
    buffers,
    closed: () => {
      closed = true;
    },
  });
  const leader = new AbortController();
  const tether = new Tether(leader.signal);
  flight.lead(tether);
  return { flight, tether, leader, buffers, isClosed: () => closed };
}

const stream: Answer = { kind: 'byte-stream', contentType: 'x', chunks: (async function* () {})() };
const bytes = (text: string) => Buffer.from(text);

async function textOf(following: Following | 'lead', most = Number.POSITIVE_INFINITY): Promise<string> {
  if (following === 'lead' || following.answer.kind !== 'byte-stream') throw new Error('no stream');
  let text = '';
  for await (const chunk of following.answer.chunks) {
    text += Buffer.from(chunk).toString();
    if (text.length >= most) break;
  }
  return text;
}

describe('a shared call', () => {
  it('gives everything to those who wait and to those who come late', async () => {
    const { flight, buffers, isClosed } = flying();
    const early = flight.follow(asking().exchange, clock);
    flight.begin({ answer: stream, plan: 'bytes' });
    flight.push(bytes('one '));
    const late = await flight.follow(asking().exchange, clock);
    flight.push(bytes('two '));
    const texts = Promise.all([textOf(await early), textOf(late)]);
    await Promise.resolve();
    flight.push(bytes('three'));
    flight.finish();
    expect(await texts).toEqual(['one two three', 'one two three']);
    expect(isClosed()).toBe(true);
    expect(buffers.bytes).toBe(0);
  });

  it('goes on without its leader while anybody follows', async () => {
    const { flight, tether, leader } = flying();
    flight.begin({ answer: stream, plan: 'bytes' });
    const following = await flight.follow(asking().exchange, clock);
    leader.abort();
    expect(tether.signal.aborted).toBe(false);
    if (following !== 'lead') following.leave();
    expect(tether.signal.aborted).toBe(true);
  });

  it('ends at once when nobody follows', () => {
    const { tether, leader } = flying();
    leader.abort();
    expect(tether.signal.aborted).toBe(true);
  });

  it('lets one follower try after a failure, and then tells all', async () => {
    const { flight } = flying();
    const [first, second, third] = [1, 2, 3].map(() => flight.follow(asking().exchange, clock));
    flight.fail(new SluiceError('upstream_error', 'one'));
    expect(await first).toBe('lead');
    flight.lead(new Tether(new AbortController().signal));
    flight.fail(new SluiceError('upstream_error', 'two'));
    await expect(second).rejects.toMatchObject({ message: 'two' });
    await expect(third).rejects.toMatchObject({ message: 'two' });
  });

  it('does not count a leader who left among the failures', async () => {
    const { flight } = flying();
    const [first, second, third] = [1, 2, 3].map(() => flight.follow(asking().exchange, clock));
    const left = () => new SluiceError('client_closed', 'left');
    flight.fail(left());
    expect(await first).toBe('lead');
    flight.fail(left());
    expect(await second).toBe('lead');
    flight.begin({ answer: stream, plan: 'bytes' });
    expect(await third).not.toBe('lead');
  });

  it('lets go of followers who leave while they wait', async () => {
    const { flight, tether, leader } = flying();
    const { exchange, leave } = asking();
    const waiting = flight.follow(exchange, clock);
    leader.abort();
    expect(tether.signal.aborted).toBe(false);
    leave();
    await expect(waiting).rejects.toMatchObject({ code: 'client_closed' });
    expect(tether.signal.aborted).toBe(true);
  });
});

describe('bounds and ends of a shared call', () => {
  it('keeps at most so many bytes: nobody joins any more, and who lags behind is cut', async () => {
    const { flight, buffers, isClosed } = flying(10);
    flight.begin({ answer: stream, plan: 'bytes' });
    const [quick, slow] = [
      await flight.follow(asking().exchange, clock),
      await flight.follow(asking().exchange, clock),
    ];
    flight.push(bytes('12345'));
    expect(await textOf(quick, 5)).toBe('12345');
    for (let n = 0; n < 5; n++) flight.push(bytes('67890'));
    expect(isClosed()).toBe(true);
    expect(buffers.bytes).toBeLessThanOrEqual(10);
    await expect(textOf(slow)).rejects.toMatchObject({ code: 'upstream_cut' });
    flight.finish();
    expect(buffers.bytes).toBe(0);
  });

  it('breaks off for all where the leader’s stream breaks off', async () => {
    const { flight } = flying();
    flight.begin({ answer: stream, plan: 'bytes' });
    const following = await flight.follow(asking().exchange, clock);
    flight.push(bytes('half'));
    flight.finish(new SluiceError('upstream_cut', 'cut'));
    await expect(textOf(following)).rejects.toMatchObject({ code: 'upstream_cut' });
  });
});
