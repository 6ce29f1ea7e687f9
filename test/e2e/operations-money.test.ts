import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type OperationsUpstream,
  sendJson,
  startOperationsUpstream,
} from '../support/operations-upstream.ts';

let upstream: OperationsUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startOperationsUpstream();
  // No price of its own: what the vendor's public list says counts.
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  openai: { type: openai, base_url: "${upstream.url}/v1", api_key: key-up }
  own: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: key-own, price: { input_usd_per_mchar: 4, audio_usd_per_minute: 0.012 } }
`,
  });
});
afterAll(async () => {
  await gateway.close();
  await upstream.close();
});
beforeEach(() => upstream.behave(undefined));

async function budgeted(limit_usd: string) {
  const { id, key } = await gateway.client.call('createKey', {
    name: 'k',
    budget: { limit_usd, window: 'day' },
  });
  return { id, openai: new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 }) };
}

async function spentOf(id: string): Promise<string | undefined> {
  return (await gateway.client.call('getKey', { id })).budget?.settled_usd;
}

const SPOKEN = 'Grüß Gott 👋';
/** As a vendor counts: the emoji is one. */
const CHARACTERS = 11;

describe('speech', () => {
  it.each([
    ['tts-1', 15],
    ['tts-1-1106', 15],
    ['tts-1-hd', 30],
    ['own/whatever', 4],
  ])('of %s is billed by the character, $%d a million', async (model, usd) => {
    const { id, openai } = await budgeted('1');
    const answer = await openai.audio.speech.create({ model, input: SPOKEN, voice: 'alloy' });
    expect((await answer.arrayBuffer()).byteLength).toBe(10_000);
    expect(await spentOf(id)).toBe(String((CHARACTERS * usd) / 1e6));
  });

  it('that a budget cannot pay in full is refused before any call', async () => {
    const { openai } = await budgeted('0.0001');
    const before = upstream.got.length;
    const call = openai.audio.speech.create({ model: 'tts-1', input: 'x'.repeat(100), voice: 'alloy' });
    await expect(call).rejects.toMatchObject({ status: 429 });
    expect(upstream.got).toHaveLength(before);
    // Seven times 15 millionths is just above, six just below.
    const small = await budgeted('0.0001');
    await small.openai.audio.speech.create({ model: 'tts-1', input: 'sixsix', voice: 'alloy' });
    expect(await spentOf(small.id)).toBe('0.00009');
    const more = small.openai.audio.speech.create({ model: 'tts-1', input: 'x', voice: 'alloy' });
    await expect(more).rejects.toMatchObject({ status: 429 });
  });

  it('of gpt-4o-mini-tts is billed by tokens, which the catalog prices', async () => {
    const { id, openai } = await budgeted('1');
    await openai.audio.speech.create({ model: 'gpt-4o-mini-tts', input: SPOKEN, voice: 'alloy' });
    expect(Number(await spentOf(id))).toBeGreaterThan(0);
  });
});

describe('transcriptions', () => {
  const upload = () => toFile(Buffer.alloc(32_000, 1), 'a.mp3');

  it.each([
    ['whisper-1', '0.009'],
    ['own/any', '0.018'],
  ])('by %s are billed by the seconds that are reported', async (model, usd) => {
    upstream.behave((_got, response) =>
      sendJson(response, 200, { text: 'hello', usage: { type: 'duration', seconds: 90 } }),
    );
    const { id, openai } = await budgeted('1');
    await openai.audio.transcriptions.create({ model, file: await upload() });
    expect(await spentOf(id)).toBe(usd);
  });

  it('say how long they were, or are estimated by their size', async () => {
    const { id, openai } = await budgeted('1');
    upstream.behave((_got, response) =>
      sendJson(response, 200, { text: 'hello', duration: 60.2, segments: [] }),
    );
    await openai.audio.transcriptions.create({
      model: 'whisper-1',
      file: await upload(),
      response_format: 'verbose_json',
    });
    expect(await spentOf(id)).toBe('0.0061');
    upstream.behave((_got, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.end('hello');
    });
    const told = await openai.audio.transcriptions
      .create({ model: 'whisper-1', file: await upload(), response_format: 'text' })
      .withResponse();
    // 32 kB and the form around it: two to three seconds of usual sound.
    const spent = Number(await spentOf(id)) - 0.0061;
    expect(spent).toBeCloseTo(0.0003, 6);
    expect(told.response.headers.get('x-sluice-request-id')).toMatch(/^exc_/);
  });

  it('hold the longest sound the upload could be', async () => {
    // 32 kB are at most 16 seconds, $0.0016.
    const { openai } = await budgeted('0.0015');
    const before = upstream.got.length;
    const call = openai.audio.transcriptions.create({ model: 'whisper-1', file: await upload() });
    await expect(call).rejects.toMatchObject({ status: 429 });
    expect(upstream.got).toHaveLength(before);
  });

  it.each(['gpt-4o-transcribe', 'gpt-4o-mini-transcribe'])('by %s are billed by tokens', async (model) => {
    const { id, openai } = await budgeted('1');
    await openai.audio.transcriptions.create({ model, file: await upload() });
    expect(Number(await spentOf(id))).toBeGreaterThan(0);
  });
});

it('operators price sound by character and minute themselves, and see what was charged with which price', async () => {
  await gateway.client.call('setPrice', {
    model: 'own/odd',
    input_usd_per_mtok: 0,
    output_usd_per_mtok: 0,
    input_usd_per_mchar: '2.5',
    audio_usd_per_minute: '0.003',
  });
  const { data } = await gateway.client.call('listPrices', {});
  expect(data).toMatchObject([
    { model: 'own/odd', input_usd_per_mchar: '2.5', audio_usd_per_minute: '0.003' },
  ]);
  const { id, openai } = await budgeted('1');
  const { response } = await openai.audio.speech
    .create({ model: 'own/odd', input: 'x'.repeat(1000), voice: 'alloy' })
    .withResponse();
  await response.arrayBuffer();
  expect(await spentOf(id)).toBe('0.0025');
  const request = String(response.headers.get('x-sluice-request-id'));
  await expect
    .poll(
      async () => (await gateway.client.call('getExchange', { id: request }).catch(() => undefined))?.price,
    )
    .toMatchObject({ source: 'override', usd_per_mtok: { character: '2.5' } });
  await gateway.client.call('deletePrice', { model: 'own/odd' });
});
