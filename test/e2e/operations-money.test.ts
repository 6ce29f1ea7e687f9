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
  claude: { type: anthropic, base_url: "${upstream.url}/v1", api_key: key-claude }
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

describe('lists of files and batches', () => {
  const named = { headers: { 'x-sluice-provider': 'openai' } };

  /** A provider where everybody's objects lie in one list, newest first. */
  function shelf() {
    const shelves: Record<string, { id: string; [field: string]: unknown }[]> = { files: [], batches: [] };
    let made = 0;
    upstream.behave(({ method, path, body }, response) => {
      const url = new URL(path, 'http://provider');
      const [, , kind = '', id] = url.pathname.split('/');
      const all = shelves[kind] ?? [];
      if (method === 'POST') {
        made += 1;
        const input = body['input_file_id'];
        const object = { id: `${kind}-${made}`, ...(input === undefined ? {} : { input_file_id: input }) };
        all.unshift(object);
        return sendJson(response, 200, object);
      }
      if (method === 'DELETE') {
        shelves[kind] = all.filter((one) => one.id !== id);
        return sendJson(response, 200, { id, deleted: true });
      }
      if (id !== undefined) return sendJson(response, 200, all.find((one) => one.id === id) ?? {});
      const after = url.searchParams.get('after');
      const from = after === null ? 0 : all.findIndex((one) => one.id === after) + 1;
      const limit = Number(url.searchParams.get('limit') ?? 20);
      const data = all.slice(from, from + limit);
      return sendJson(response, 200, { object: 'list', data, has_more: all.length > from + limit });
    });
  }

  it('show a key with a budget its own, page by page, and cost nothing', async () => {
    shelf();
    const mine = await budgeted('0.01');
    const other = await budgeted('0.01');
    const upload = async (client: OpenAI) =>
      client.files.create({ file: await toFile(Buffer.from('{}'), 'a.jsonl'), purpose: 'batch' }, named);
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.unshift((await upload(mine.openai)).id);
      await upload(other.openai);
    }
    const listed = async (client: OpenAI, limit = 2) => {
      const found: string[] = [];
      for await (const file of client.files.list({ limit }, named)) found.push(file.id);
      return found;
    };
    expect(await listed(mine.openai)).toEqual(ids);
    expect(await listed(other.openai)).toHaveLength(3);
    await mine.openai.files.delete(ids[0] ?? '');
    expect(await listed(mine.openai, 1)).toEqual(ids.slice(1));
    expect((await mine.openai.batches.list({}, named)).data).toEqual([]);
    expect(await spentOf(mine.id)).toBe('0');
    await expect(mine.openai.files.list({ limit: 0 }, named)).rejects.toMatchObject({ status: 400 });
    const free = await gateway.client.call('createKey', { name: 'free' });
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: free.key, maxRetries: 0 });
    const file = await upload(openai);
    const batch = await openai.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    const [own, ...rest] = (await openai.batches.list({}, named)).data;
    expect(own).toMatchObject({ id: batch.id, input_file_id: file.id });
    expect(rest).toEqual([]);
  });
});

describe('searches of the web that a vendor makes', () => {
  const anthropic = (searches: number) => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [{ type: 'text', text: 'Found.' }],
    stop_reason: 'end_turn',
    usage: {
      input_tokens: 100,
      output_tokens: 10,
      ...(searches === 0 ? {} : { server_tool_use: { web_search_requests: searches } }),
    },
  });
  const responses = (items: readonly object[]) => ({
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    model: 'gpt-4o',
    status: 'completed',
    output: [
      ...items,
      {
        type: 'message',
        id: 'm',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Found.', annotations: [] }],
      },
    ],
    usage: { input_tokens: 100, output_tokens: 10, total_tokens: 110 },
  });
  const search = {
    type: 'web_search_call',
    id: 'w',
    status: 'completed',
    action: { type: 'search', query: 'q' },
  };
  const opened = { ...search, action: { type: 'open_page', url: 'u' } };

  async function spend(path: string, body: object, answer: object, stream: boolean): Promise<number> {
    upstream.behave((_got, response) => {
      if (!stream) return sendJson(response, 200, answer);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of eventsOf(answer as Record<string, unknown>)) {
        response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      }
      response.end();
    });
    const { id, key } = await gateway.client.call('createKey', {
      name: 'k',
      budget: { limit_usd: '1', window: 'day' },
    });
    const answered = await fetch(gateway.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, stream }),
    });
    expect([answered.status, await answered.text()]).toEqual([200, expect.stringContaining('Found.')]);
    return Number(await spentOf(id));
  }

  function eventsOf(answer: Record<string, unknown>): { type: string; [field: string]: unknown }[] {
    if (answer['object'] === 'response') {
      return [
        { type: 'response.created', response: { ...answer, status: 'in_progress', output: [] } },
        {
          type: 'response.output_text.delta',
          output_index: 0,
          content_index: 0,
          item_id: 'm',
          delta: 'Found.',
        },
        { type: 'response.completed', response: answer },
      ];
    }
    const { content: _, usage, ...message } = answer;
    return [
      {
        type: 'message_start',
        message: { ...message, content: [], usage: { input_tokens: 100, output_tokens: 1 } },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Found.' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage },
      { type: 'message_stop' },
    ];
  }

  const TOOLS = { tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3 }] };
  const MESSAGES = {
    model: 'claude/claude-sonnet-4-5',
    max_tokens: 20,
    messages: [{ role: 'user', content: 'hi' }],
  };
  const INPUT = { model: 'openai/gpt-4o', input: 'hi', max_output_tokens: 20 };

  it.each([false, true])('cost a cent each at Anthropic (streamed: %s)', async (stream) => {
    const body = { ...MESSAGES, ...TOOLS };
    const plain = await spend('/v1/messages', body, anthropic(0), stream);
    expect(await spend('/v1/messages', body, anthropic(2), stream)).toBeCloseTo(plain + 0.02, 9);
  });

  it.each([false, true])('and at OpenAI, pages that are opened nothing (streamed: %s)', async (stream) => {
    const body = { ...INPUT, tools: [{ type: 'web_search' }] };
    const plain = await spend('/v1/responses', body, responses([]), stream);
    const found = await spend('/v1/responses', body, responses([search, opened, search]), stream);
    expect(found).toBeCloseTo(plain + 0.02, 9);
  });

  it('are held beforehand, as many as the request allows', async () => {
    const ask = async (tools: object, limit_usd: string) => {
      const { key } = await gateway.client.call('createKey', {
        name: 'k',
        budget: { limit_usd, window: 'day' },
      });
      upstream.behave((_got, response) => sendJson(response, 200, anthropic(0)));
      const answered = await fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...MESSAGES, ...tools }),
      });
      await answered.arrayBuffer();
      return answered.status;
    };
    expect(await ask({}, '0.02')).toBe(200);
    expect(await ask(TOOLS, '0.02')).toBe(429);
    expect(await ask(TOOLS, '0.04')).toBe(200);
    const unlimited = { tools: [{ type: 'web_search_20250305', name: 'web_search' }] };
    expect(await ask(unlimited, '0.09')).toBe(429);
    expect(await ask(unlimited, '0.2')).toBe(200);
  });
});
