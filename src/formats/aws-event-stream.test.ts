import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SluiceError } from '../core/errors/error.ts';
import { awsEventMessage, crc32, createAwsEventStreamReader } from './aws-event-stream.ts';
import type { Frame } from './frame.ts';

function read(pieces: readonly Uint8Array[], limit?: number): readonly Frame[] {
  const reader = createAwsEventStreamReader(limit);
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof SluiceError ? error.code : String(error);
  }
  return 'no error';
}

const MESSAGES: readonly (readonly [string, string])[] = [
  ['messageStart', '{"role":"assistant"}'],
  ['contentBlockDelta', '{"contentBlockIndex":0,"delta":{"text":"Grüße, 世界 😀"}}'],
  ['messageStop', '{"stopReason":"end_turn"}'],
];
const STREAM = Buffer.concat(MESSAGES.map(([type, payload]) => awsEventMessage(type, payload)));
const FRAMES = MESSAGES.map(([event, data]) => ({ event, data }));

test('the checksum is CRC-32 as in ISO-HDLC', () => {
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test('a message of the documented layout is read', () => {
  // Laid out by hand: 16 + 0 + 2 bytes, no headers, payload `{}`.
  const bytes = Buffer.alloc(18);
  bytes.writeUInt32BE(18, 0);
  bytes.writeUInt32BE(0, 4);
  bytes.writeUInt32BE(crc32(bytes, 0, 8), 8);
  bytes.write('{}', 12);
  bytes.writeUInt32BE(crc32(bytes, 0, 14), 14);
  expect(read([bytes])).toEqual([{ event: undefined, data: '{}' }]);
});

test('headers of every type are stepped over', () => {
  const name = (text: string, type: number) => Buffer.from([text.length, ...Buffer.from(text), type]);
  const headers = Buffer.concat([
    name('t', 0),
    name('f', 1),
    name('b', 2),
    Buffer.alloc(1),
    name('s', 3),
    Buffer.alloc(2),
    name('i', 4),
    Buffer.alloc(4),
    name('l', 5),
    Buffer.alloc(8),
    name('y', 6),
    Buffer.from([0, 3, 1, 2, 3]),
    name('d', 8),
    Buffer.alloc(8),
    name('u', 9),
    Buffer.alloc(16),
    name(':event-type', 7),
    Buffer.from([0, 2, 111, 107]),
  ]);
  const bytes = Buffer.alloc(16 + headers.length);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.writeUInt32BE(headers.length, 4);
  bytes.writeUInt32BE(crc32(bytes, 0, 8), 8);
  headers.copy(bytes, 12);
  bytes.writeUInt32BE(crc32(bytes, 0, bytes.length - 4), bytes.length - 4);
  expect(read([bytes])).toEqual([{ event: 'ok', data: '' }]);
});

test('any split gives the same frames', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
      const pieces: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < STREAM.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        pieces.push(STREAM.subarray(at, at + size));
        at += size;
      }
      expect(read(pieces)).toEqual(FRAMES);
    }),
  );
});

test('every flipped byte is noticed', () => {
  for (let at = 0; at < STREAM.length; at++) {
    const bytes = Buffer.from(STREAM);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    expect(
      codeOf(() => read([bytes])),
      `byte ${at}`,
    ).toMatch(/^upstream_(malformed|too_large|cut)$/);
  }
});

test('a body that ends inside a message is cut', () => {
  let whole = 0;
  const ends = new Set(MESSAGES.map(([type, payload]) => (whole += awsEventMessage(type, payload).length)));
  for (let size = 1; size < STREAM.length; size++) {
    const code = codeOf(() => read([STREAM.subarray(0, size)]));
    expect(code, `${size} bytes`).toBe(ends.has(size) ? 'no error' : 'upstream_cut');
  }
});

test('a message above the limit is refused before it is stored', () => {
  const message = awsEventMessage('contentBlockDelta', JSON.stringify({ text: 'x'.repeat(5000) }));
  expect(codeOf(() => read([message.subarray(0, 12)], 1000))).toBe('upstream_too_large');
  expect(read([message], 10_000)).toHaveLength(1);
});

test('exceptions carry their type, errors their code and message', () => {
  const [frame] = read([awsEventMessage('throttlingException', '{"message":"slow"}', 'exception')]);
  expect(frame).toEqual({ event: 'exception:throttlingException', data: '{"message":"slow"}' });
});

test('chunks of invoke-with-response-stream are unwrapped', () => {
  const inner = '{"type":"ping","text":"ä"}';
  const payload = JSON.stringify({ bytes: Buffer.from(inner).toString('base64'), p: 'abc' });
  expect(read([awsEventMessage('chunk', payload)])).toEqual([{ event: 'ping', data: inner }]);
});
