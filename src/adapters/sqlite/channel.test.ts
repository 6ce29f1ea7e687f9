import { expect, test } from 'vitest';
import { systemClock } from '../../../test/contract/ledger-samples.ts';
import { Channel, type ChannelOptions } from './channel.ts';

/** A thread that echoes, dies or hangs as it is told. */
const PROGRAM = `
import { parentPort } from 'node:worker_threads';
parentPort.postMessage({ kind: 'ready', recovered: { rows: 0, crashed: 0, damaged: 0 } });
parentPort.on('message', ({ id, noun, method, args }) => {
  if (noun === 'worker') parentPort.close();
  else if (method === 'die') process.exit(3);
  else if (method === 'throw') throw new Error('thread failed');
  else if (method === 'echo') parentPort.postMessage({ kind: 'value', id, value: args });
});`;

const programOf = (text: string) => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
const unavailable = expect.objectContaining({ code: 'ledger_unavailable' });

async function opened(change: Partial<ChannelOptions> = {}) {
  const events: string[] = [];
  const channel = await Channel.open({
    start: { databasePath: '', journalDirectory: '', firstSegment: 1 },
    entry: programOf(PROGRAM),
    clock: systemClock,
    timeoutMs: 5000,
    maxPending: 3,
    onCrash: () => void events.push('crash'),
    onReady: () => void events.push('ready'),
    ...change,
  });
  return { channel, events };
}

test('answers find their questions', async () => {
  const { channel } = await opened();
  const answers = await Promise.all([1, 2, 3].map((n) => channel.call('x', 'echo', [n])));
  expect(answers).toEqual([[1], [2], [3]]);
  await channel.close();
});

test.each(['die', 'throw'])('a thread told to %s fails what waits and is started again', async (how) => {
  const { channel, events } = await opened();
  const waiting = channel.call('x', 'never', []);
  const fatal = channel.call('x', how, []);
  await expect(waiting).rejects.toThrowError(unavailable);
  await expect(fatal).rejects.toThrowError(unavailable);
  await expect(channel.call('x', 'echo', [])).rejects.toThrowError(unavailable);
  await expect.poll(() => events).toEqual(['ready', 'crash', 'ready']);
  expect(await channel.call('x', 'echo', ['again'])).toEqual(['again']);
  await channel.close();
});

test('a thread that hangs is given up on, and frees its place in the queue', async () => {
  const { channel } = await opened({ timeoutMs: 30 });
  const asked = await Promise.allSettled([1, 2, 3, 4].map(() => channel.call('x', 'never', [])));
  const codes = asked.map((result) => (result.status === 'rejected' ? result.reason.code : 'answered'));
  expect(codes).toEqual([...Array(3).fill('ledger_unavailable'), 'overloaded']);
  expect(await channel.call('x', 'echo', [1], 5000)).toEqual([1]);
  await channel.close();
});

test('what a thread refuses to start with is thrown', async () => {
  const refused = { kind: 'refused', error: { code: 'conflict', message: 'newer', cause: '' } };
  const text = `import { parentPort } from 'node:worker_threads'; parentPort.postMessage(${JSON.stringify(refused)});`;
  const opening = opened({ entry: programOf(text) });
  await expect(opening).rejects.toThrowError(expect.objectContaining({ code: 'conflict', message: 'newer' }));
  await expect(opened({ entry: programOf('throw new Error("no")') })).rejects.toThrowError(unavailable);
});

test('closing while a restart is due ends it', async () => {
  const { channel, events } = await opened();
  await channel.call('x', 'die', []).catch(() => undefined);
  await channel.close();
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(events).toEqual(['ready', 'crash']);
});
