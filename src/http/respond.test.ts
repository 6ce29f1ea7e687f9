import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../adapters/system/clock.ts';
import { TurnOutbox } from '../adapters/system/outbox.ts';
import { CLIENT_DIALECTS } from '../formats/dialects.ts';
import type { Answered } from '../pipeline/exchange.ts';
import { newFacts } from './chat.ts';
import { sendAnswer } from './respond.ts';

/** More than the kernel takes for a client that does not read. */
const BYTES = new Uint8Array(32 * 1024 * 1024).fill(0x20);

function answered(): Answered {
  const exchange: Partial<Record<keyof Answered, unknown>> = {
    id: 'exc_test',
    codec: CLIENT_DIALECTS['openai-chat'],
    envelope: { model: 'm' },
    facts: { ...newFacts(), free: true },
    signal: new AbortController().signal,
    slot: { headers: {} },
    answer: { kind: 'bytes', contentType: 'application/json', bytes: BYTES },
    end: async () => undefined,
  };
  return exchange as unknown as Answered;
}

it('cuts a client off that never takes the rest of its answer', async () => {
  const closed = Promise.withResolvers<number>();
  const server = createServer((request, response) => {
    const began = performance.now();
    request.socket.once('close', () => closed.resolve(performance.now() - began));
    const outbox = new TurnOutbox(setImmediate);
    void sendAnswer(answered(), response, { clock: systemClock, writeStallMs: 200, outbox });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  client.pause();
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(await closed.promise).toBeGreaterThanOrEqual(190);
  client.destroy();
  server.close();
});
