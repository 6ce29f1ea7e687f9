import { describe, expect, it } from 'vitest';
import { tapRules } from './openai-chat/tap.ts';
import { createByteTap } from './tap.ts';

const chunk = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;
const END = `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`;

/** Pushes a body in pieces of `size` bytes and returns what is forwarded, with the state at the end. */
function through(body: string | Buffer, size = 7) {
  const bytes = Buffer.from(body as string);
  const tap = createByteTap(tapRules, {}, { hideUsage: false });
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length && tap.state.error === undefined; at += size) {
    out.push(tap.push(bytes.subarray(at, at + size)));
  }
  if (tap.state.error === undefined) out.push(tap.end());
  return { text: Buffer.concat(out).toString('utf8'), state: tap.state };
}

describe('a forwarded stream', () => {
  it('passes byte for byte, however it is split', () => {
    const body = chunk('Grüße 😀') + chunk('b') + END;
    for (const size of [1, 5, 64, 10_000]) {
      const { text, state } = through(body, size);
      expect(text).toBe(body);
      expect(state.error).toBeUndefined();
    }
  });

  it('is given LF where its lines end in CR alone, and keeps CRLF', () => {
    const body = chunk('a') + END;
    for (const size of [1, 3, 1000]) {
      expect(through(body.replaceAll('\n', '\r'), size).text).toBe(body);
      expect(through(body.replaceAll('\n', '\r\n'), size).text).toBe(body.replaceAll('\n', '\r\n'));
    }
  });

  it.each([
    ['torn JSON', 'data: {"choices":[{"delta":{"content":"x"\n\n'],
    ['no JSON', 'data: oops\n\n'],
  ])('ends before an event that is %s', (_, broken) => {
    for (const size of [1, 9, 1000]) {
      const { text, state } = through(chunk('a') + broken + chunk('b') + END, size);
      expect(text).toBe(chunk('a'));
      expect(state.error?.code).toBe('upstream_malformed');
    }
  });

  it('ends before an event that is no UTF-8, also where it is the first', () => {
    const bad = Buffer.concat([
      Buffer.from('data: {"x":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}\n\n'),
    ]);
    const after = Buffer.from(chunk('b') + END);
    for (const size of [1, 9, 1000]) {
      const late = through(Buffer.concat([Buffer.from(chunk('a')), bad, after]), size);
      expect([late.text, late.state.error?.code]).toEqual([chunk('a'), 'upstream_malformed']);
      const first = through(Buffer.concat([bad, after]), size);
      expect([first.text, first.state.committed, first.state.error?.code]).toEqual([
        '',
        false,
        'upstream_malformed',
      ]);
    }
  });

  it('leaves half an event out when the stream breaks off', () => {
    const { text, state } = through(chunk('a') + chunk('b').slice(0, -12));
    expect([text, state.error?.code]).toEqual([chunk('a'), 'upstream_cut']);
  });

  it('takes data over several lines, comments and lone event lines', () => {
    const multi =
      'event: x\ndata: {"choices":\ndata: [{"index":0,"delta":{"content":"m"}}]}\n\n: ping\n\nevent: y\n\n';
    const body = chunk('a') + multi + END;
    expect(through(body).text).toBe(body);
  });

  it('refuses an event nested deeper than any answer', () => {
    const deep = `data: {"x":${'['.repeat(5000)}${']'.repeat(5000)}}\n\n`;
    const { text, state } = through(chunk('a') + deep + END, 4096);
    expect([text, state.error?.code]).toEqual([chunk('a'), 'upstream_malformed']);
  });

  it('gathers a huge event without copying it again and again, up to the limit', () => {
    const tap = createByteTap(tapRules, {}, { hideUsage: false });
    const piece = Buffer.alloc(16_384, 'x');
    tap.push(Buffer.from('data: {"y":"\n'.slice(0, -1)));
    const startedAt = performance.now();
    while (tap.state.error === undefined) expect(tap.push(piece)).toHaveLength(0);
    expect(tap.state.error.code).toBe('upstream_too_large');
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

describe('events that differ in their text alone', () => {
  it('counts what alike events say as it counts it of others, and takes no other event for one of them', () => {
    const texts = ['a', '', '"quoted" \\', 'ü😀', '\\\\', 'line\nend', '"error"', '"usage":{', '[DONE]', 'b'];
    const body = [...texts, ...texts].map(chunk).join('');
    const bytes = [...texts, ...texts].reduce(
      (sum, text) => sum + Buffer.byteLength(JSON.stringify(text)) - 2,
      0,
    );
    const usage = `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 9 } })}\n\n`;
    for (const size of [1, 7, 100, 100_000]) {
      const { text, state } = through(body + chunk('c').replace('null', '"length"') + usage + END, size);
      expect(text).toBe(body + chunk('c').replace('null', '"length"') + usage + END);
      expect(state).toMatchObject({ contentBytes: bytes + 1, usage: { output: 9 }, done: true });
    }
  });

  it('ends before an event that begins like the others and has a line feed inside its text', () => {
    const broken = chunk('x').replace('"x"', '"x\n\ny"');
    for (const size of [1, 9, 1000]) {
      const { text, state } = through(chunk('a') + chunk('b') + broken + chunk('c') + END, size);
      expect([text, state.error?.code]).toEqual([chunk('a') + chunk('b'), 'upstream_malformed']);
    }
  });
});
