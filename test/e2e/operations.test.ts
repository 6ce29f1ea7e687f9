import { setTimeout as pause } from 'node:timers/promises';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  type OperationsUpstream,
  sendJson,
  startOperationsUpstream,
} from '../support/operations-upstream.ts';

let upstream: OperationsUpstream;
let spare: OperationsUpstream;
let gateway: TestGateway;
let openai: OpenAI;
let key: string;

const PRICE =
  '{ input_usd_per_mtok: 1, output_usd_per_mtok: 2, audio_input_usd_per_mtok: 4, audio_output_usd_per_mtok: 8, image_usd: 0.01 }';

beforeAll(async () => {
  upstream = await startOperationsUpstream();
  spare = await startOperationsUpstream();
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  up: { type: openai, base_url: "${upstream.url}/v1", api_key: key-up, price: ${PRICE} }
  google: { type: gemini, base_url: "${upstream.url}", api_key: key-google, allow_private_network: true, price: ${PRICE} }
  co: { type: cohere, base_url: "${upstream.url}", api_key: key-co, price: ${PRICE} }
  bad: { type: openai-compatible, base_url: "${spare.url}/v1", api_key: key-bad, price: ${PRICE} }
models:
  vectors:
    deployments: ["bad/text-embedding-3-small", "up/text-embedding-3-small"]
    strategy: priority
    retries: { attempts: 0, backoff_ms: 5, max_backoff_ms: 10 }
`,
  });
  key = (await gateway.client.call('createKey', { name: 'all' })).key;
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
  await spare.close();
});

beforeEach(() => {
  upstream.got.length = 0;
  spare.got.length = 0;
  upstream.behave(undefined);
  spare.behave(undefined);
});

/** The newest row of the log, once the ledger has it. */
async function rowOf(requestId: string | null | undefined) {
  expect(requestId).toMatch(/^exc_/);
  for (let round = 0; round < 100; round++) {
    const found = await gateway.client.call('getExchange', { id: String(requestId) }).catch(() => undefined);
    if (found !== undefined) return found;
    await pause(20);
  }
  throw new Error(`no row for ${requestId}`);
}

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

describe('embeddings', () => {
  it('go to an OpenAI-shaped provider as they are, with usage and cost in the ledger', async () => {
    const { data, response } = await openai.embeddings
      .create({ model: 'up/text-embedding-3-small', input: ['a', 'b'], encoding_format: 'float' })
      .withResponse();
    expect(data.data.map(({ embedding }) => embedding)).toEqual([
      [0.5, 0.25],
      [1.5, 0.25],
    ]);
    expect(upstream.got[0]?.headers.authorization).toBe('Bearer key-up');
    expect(upstream.got[0]?.body).toEqual({
      model: 'text-embedding-3-small',
      input: ['a', 'b'],
      encoding_format: 'float',
    });
    expect(response.headers.get('x-sluice-plan')).toBe('patched');
    expect(response.headers.get('x-sluice-cost-usd')).toBe('0.000008');
    const row = await rowOf(response.headers.get('x-sluice-request-id'));
    expect(row).toMatchObject({
      operation: 'embeddings',
      provider: 'up',
      model: 'up/text-embedding-3-small',
      upstream_model: 'text-embedding-3-small',
      format: 'openai-embeddings',
      status: 200,
      outcome: 'answered',
      usage: { input: 8, output: 0, source: 'reported' },
      cost_usd: '0.000008',
    });
  });

  it('are read as floats by an SDK that asks for base64, also from Gemini and Cohere', async () => {
    for (const model of ['up/text-embedding-3-small', 'google/gemini-embedding-001', 'co/embed-v4.0']) {
      const { data } = await openai.embeddings.create({ model, input: ['a', 'b'], dimensions: 2 });
      expect(data.map(({ embedding }) => [...embedding])).toEqual([
        [0.5, 0.25],
        [1.5, 0.25],
      ]);
    }
    expect(upstream.got[1]?.body['requests']).toEqual([
      { model: 'models/gemini-embedding-001', content: { parts: [{ text: 'a' }] }, outputDimensionality: 2 },
      { model: 'models/gemini-embedding-001', content: { parts: [{ text: 'b' }] }, outputDimensionality: 2 },
    ]);
    expect(upstream.got[2]?.body).toEqual({
      model: 'embed-v4.0',
      texts: ['a', 'b'],
      input_type: 'search_document',
      embedding_types: ['float'],
      output_dimension: 2,
    });
  });

  it('refuse before the call what a target cannot read, naming the field', async () => {
    const answer = await post('/v1/embeddings', { model: 'co/embed-v4.0', input: [1, 2, 3] });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ error: { param: 'input', code: 'unsupported_parameter' } });
    expect((await post('/v1/embeddings', { model: 'co/embed-v4.0' })).status).toBe(400);
    expect(upstream.got).toEqual([]);
  });

  it('fail over to the next deployment of the model', async () => {
    spare.behave((_got, response) => sendJson(response, 503, { error: { message: 'busy' } }));
    const answer = await post('/v1/embeddings', { model: 'vectors', input: 'a' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-sluice-attempts')).toBe('2');
    expect(answer.headers.get('x-sluice-provider')).toBe('up');
  });

  it('serve Gemini’s dialect from an OpenAI-shaped provider', async () => {
    const one = await post('/v1beta/models/up%2Ftext-embedding-3-small:embedContent', {
      content: { parts: [{ text: 'a' }] },
      taskType: 'RETRIEVAL_QUERY',
    });
    expect(await one.json()).toMatchObject({ embedding: { values: [0.5, 0.25] } });
    expect(one.headers.get('x-sluice-dropped')).toBe('input_type');
    const many = await post('/gemini/v1beta/models/google%2Fgemini-embedding-001:batchEmbedContents', {
      requests: [{ content: { parts: [{ text: 'a' }] } }, { content: { parts: [{ text: 'b' }] } }],
    });
    expect(await many.json()).toMatchObject({
      embeddings: [{ values: [0.5, 0.25] }, { values: [1.5, 0.25] }],
    });
    const wrong = await post('/v1beta/models/google%2Fgemini-embedding-001:embedContent', { content: {} });
    expect(await wrong.json()).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } });
  });

  it('are a 502 when the provider answers with something else', async () => {
    upstream.behave((_got, response) => void response.end('<html>'));
    expect((await post('/v1/embeddings', { model: 'up/text-embedding-3-small', input: 'a' })).status).toBe(
      502,
    );
  });
});

describe('other operations', () => {
  it('moderates for nothing', async () => {
    const { data, response } = await openai.moderations
      .create({ model: 'up/omni-moderation-latest', input: 'hello' })
      .withResponse();
    expect(data.results[0]?.flagged).toBe(false);
    expect(await rowOf(response.headers.get('x-sluice-request-id'))).toMatchObject({
      operation: 'moderations',
      cost_usd: '0',
      usage: { source: 'estimated' },
    });
  });

  it('makes images and bills them', async () => {
    const { data, response } = await openai.images
      .generate({ model: 'up/gpt-image-1', prompt: 'a fox', n: 2 })
      .withResponse();
    expect(data.data).toHaveLength(2);
    expect(await rowOf(response.headers.get('x-sluice-request-id'))).toMatchObject({
      operation: 'images',
      usage: { input: 10, output: 100, images: 2, source: 'reported' },
      // 10 × $1 + 100 × $2 a million, and two images at a cent.
      cost_usd: '0.02021',
    });
  });

  it('hands speech through byte for byte', async () => {
    const answer = await openai.audio.speech.create({
      model: 'up/gpt-4o-mini-tts',
      voice: 'alloy',
      input: 'Hi there',
    });
    expect(answer.headers.get('content-type')).toBe('audio/mpeg');
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(bytes).toEqual(Buffer.concat([Buffer.alloc(5000, 7), Buffer.alloc(5000, 9)]));
    expect(await rowOf(answer.headers.get('x-sluice-request-id'))).toMatchObject({
      operation: 'speech',
      usage: { audio_output: 12, source: 'estimated' },
    });
  });

  it('reads the usage of streamed speech as audio', async () => {
    const events = 'data: {"type":"speech.audio.delta","audio":"AA=="}\n\n';
    const done =
      'data: {"type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":40,"total_tokens":43}}\n\n';
    upstream.behave((_got, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(events + done);
    });
    const asked = { model: 'up/gpt-4o-mini-tts', voice: 'alloy', input: 'Hi', stream_format: 'sse' };
    const answer = await post('/v1/audio/speech', asked);
    expect(await answer.text()).toBe(events + done);
    expect(await rowOf(answer.headers.get('x-sluice-request-id'))).toMatchObject({
      stream: true,
      usage: { input: 3, output: 0, audio_output: 40, source: 'reported' },
      cost_usd: '0.000323',
    });
  });

  it('breaks the connection when speech is cut, and logs it so', async () => {
    upstream.behave((_got, response) => {
      response.writeHead(200, { 'content-type': 'audio/mpeg' });
      response.write(Buffer.alloc(100));
      setTimeout(() => response.destroy(), 20);
    });
    const answer = await post('/v1/audio/speech', { model: 'up/tts', voice: 'alloy', input: 'Hi' });
    await expect(answer.arrayBuffer()).rejects.toThrow();
    expect(await rowOf(answer.headers.get('x-sluice-request-id'))).toMatchObject({ outcome: 'cut' });
  });

  it('forwards an upload with nothing but the model changed', async () => {
    const sound = Buffer.from([0, 1, 2, 13, 10, 45, 45, 255]);
    const { data, response } = await openai.audio.transcriptions
      .create({ model: 'up/gpt-4o-transcribe', file: await toFile(sound, 'a.wav'), language: 'en' })
      .withResponse();
    expect(data.text).toBe('hello there');
    const sent = upstream.got[0];
    expect(sent?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
    expect(sent?.bytes.includes(sound)).toBe(true);
    expect(sent?.bytes.toString('latin1')).toContain('name="model"\r\n\r\ngpt-4o-transcribe\r\n');
    expect(await rowOf(response.headers.get('x-sluice-request-id'))).toMatchObject({
      operation: 'transcriptions',
      usage: { input: 4, audio_input: 10, output: 5, source: 'reported' },
      cost_usd: '0.000054',
    });
  });

  it('refuses an upload that repeats its model or has no file', async () => {
    const form = new FormData();
    form.append('model', 'up/a');
    form.append('model', 'up/b');
    form.append('file', new Blob(['x']), 'a.wav');
    const send = (body: FormData) =>
      fetch(`${gateway.url}/v1/audio/transcriptions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}` },
        body,
      });
    expect(await (await send(form)).json()).toMatchObject({ error: { param: 'model' } });
    const empty = new FormData();
    empty.append('model', 'up/a');
    expect(await (await send(empty)).json()).toMatchObject({ error: { param: 'file' } });
    expect(upstream.got).toEqual([]);
  });

  it('reranks in the shape that both Cohere’s and Jina’s clients read', async () => {
    const answer = await post('/v1/rerank', {
      model: 'co/rerank-v3.5',
      query: 'q',
      documents: ['a', { text: 'b' }],
      top_n: 2,
      return_documents: true,
    });
    expect(await answer.json()).toMatchObject({
      results: [
        { index: 1, relevance_score: 0.9, document: { text: 'b' } },
        { index: 0, relevance_score: 0.1, document: { text: 'a' } },
      ],
      meta: { billed_units: { search_units: 1 } },
    });
    expect(upstream.got[0]?.body).toEqual({
      model: 'rerank-v3.5',
      query: 'q',
      documents: ['a', 'b'],
      top_n: 2,
    });
  });

  it('refuses what nobody who has the model serves', async () => {
    const answer = await post('/v1/rerank', { model: 'up/gpt-4o', query: 'q', documents: ['a'] });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ error: { param: 'model' } });
  });

  it('completes in the legacy dialect, whole and streamed', async () => {
    const { data } = await openai.completions
      .create({ model: 'up/gpt-4o', prompt: 'Once upon', max_tokens: 9 })
      .withResponse();
    expect(data).toMatchObject({
      object: 'text_completion',
      choices: [{ text: 'Once more', finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 12 },
    });
    let text = '';
    for await (const chunk of await openai.completions.create({
      model: 'up/gpt-4o',
      prompt: 'x',
      stream: true,
    })) {
      text += chunk.choices[0]?.text ?? '';
    }
    expect(text).toBe('Once more');
    const refused = await post('/v1/completions', { model: 'up/gpt-4o', prompt: 'x', suffix: 'y' });
    expect(await refused.json()).toMatchObject({ error: { param: 'suffix' } });
  });

  it('holds limits and budgets as for a chat', async () => {
    const slow = await gateway.client.call('createKey', { name: 'slow', limits: { rpm: 1 } });
    const poor = await gateway.client.call('createKey', {
      name: 'poor',
      budget: { limit_usd: '0.0000001', window: 'day', action: 'block' },
    });
    const ask = (secret: string) =>
      post(
        '/v1/embeddings',
        { model: 'up/text-embedding-3-small', input: 'hello' },
        { authorization: `Bearer ${secret}` },
      );
    expect((await ask(slow.key)).status).toBe(200);
    expect((await ask(slow.key)).status).toBe(429);
    const broke = await ask(poor.key);
    expect([broke.status, broke.headers.get('x-sluice-error')]).toEqual([429, 'budget_exceeded']);
    expect((await ask('sk-sluice-unknown')).status).toBe(401);
  });
});

describe('files and batches', () => {
  it('stay with the provider and the key they came from', async () => {
    const named = { headers: { 'x-sluice-provider': 'up' } };
    await expect(
      openai.files.create({ file: await toFile(Buffer.from('{}'), 'a.jsonl'), purpose: 'batch' }),
    ).rejects.toThrow(/x-sluice-provider/);
    const file = await openai.files.create(
      { file: await toFile(Buffer.from('{}'), 'a.jsonl'), purpose: 'batch' },
      named,
    );
    expect(file.id).toMatch(/^file-abc\.up\./);
    expect((await openai.files.retrieve(file.id)).id).toBe(file.id);
    expect(await (await openai.files.content(file.id)).text()).toBe('data');
    const batch = await openai.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    expect(upstream.got.at(-1)?.body['input_file_id']).toBe('file-abc');
    expect(batch.input_file_id).toBe(file.id);
    expect((await openai.batches.retrieve(batch.id)).output_file_id).toMatch(/^file-out\.up\./);
    const other = await gateway.client.call('createKey', { name: 'other' });
    const stranger = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: other.key, maxRetries: 0 });
    await expect(stranger.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    await expect(stranger.files.retrieve('file-abc')).rejects.toMatchObject({ status: 404 });
    expect((await stranger.files.list({}, named)).data).toEqual([]);
    expect((await openai.files.list({}, named)).data.map(({ id }) => id)).toEqual([file.id]);
    const { response } = await openai.files.delete(file.id).withResponse();
    expect(await rowOf(response.headers.get('x-sluice-request-id'))).toMatchObject({
      operation: 'files',
      provider: 'up',
      cost_usd: '0',
      usage: { source: 'unknown' },
    });
  });

  it('are refused where a list of models could be passed by', async () => {
    const limited = await gateway.client.call('createKey', { name: 'limited', models: ['up/gpt-4o'] });
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: limited.key, maxRetries: 0 });
    const named = { headers: { 'x-sluice-provider': 'up' } };
    const file = await client.files.create(
      { file: await toFile(Buffer.from('{}'), 'a.jsonl'), purpose: 'batch' },
      named,
    );
    const made = client.batches.create({
      input_file_id: file.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    await expect(made).rejects.toMatchObject({ status: 403 });
  });
});

describe('passthrough', () => {
  it('sends any endpoint on with the provider’s credential, and bills what it reports', async () => {
    const answer = await post(
      '/passthrough/up/v1/chat/completions?x=1&key=',
      {
        model: 'gpt-4o',
        messages: [],
        odd: 1,
      },
      { cookie: 'a=b', 'x-sluice-tags': 'a=b', 'idempotency-key': 'i' },
    );
    expect(await answer.json()).toMatchObject({ id: 'chatcmpl-1' });
    const [sent] = upstream.got;
    expect(sent?.path).toBe('/v1/chat/completions?x=1');
    expect(sent?.body).toEqual({ model: 'gpt-4o', messages: [], odd: 1 });
    expect(sent?.headers.authorization).toBe('Bearer key-up');
    expect(sent?.headers['idempotency-key']).toBe('i');
    for (const name of ['cookie', 'x-sluice-tags']) expect(sent?.headers[name]).toBeUndefined();
    expect(await rowOf(answer.headers.get('x-sluice-request-id'))).toMatchObject({
      operation: 'passthrough',
      format: 'passthrough',
      provider: 'up',
      upstream_model: 'gpt-4o',
      usage: { input: 9, output: 12, source: 'reported' },
      cost_usd: '0.000033',
      tags: { a: 'b' },
    });
  });

  it('streams events untouched and finds the usage in them', async () => {
    const events =
      'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}\n\n' +
      'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":30}}\n\n';
    upstream.behave((_got, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'set-cookie': 'a=b' });
      response.write(events.slice(0, 60));
      setTimeout(() => response.end(events.slice(60)), 20);
    });
    const answer = await post('/passthrough/up/messages', { model: 'm', stream: true });
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(await answer.text()).toBe(events);
    expect(await rowOf(answer.headers.get('x-sluice-request-id'))).toMatchObject({
      usage: { input: 7, output: 30, source: 'reported' },
      cost_usd: '0.000067',
    });
  });

  it('refuses paths that leave the provider, in every spelling', async () => {
    const target = new URL(gateway.url);
    const { request } = await import('node:http');
    const statusOf = (path: string) =>
      new Promise<number>((resolve, reject) => {
        request(
          { host: target.hostname, port: target.port, path, headers: { authorization: `Bearer ${key}` } },
          (answer) => {
            answer.resume();
            resolve(answer.statusCode ?? 0);
          },
        )
          .on('error', reject)
          .end();
      });
    for (const path of [
      '/passthrough/up/../admin',
      '/passthrough/up/%2e%2e/admin',
      '/passthrough/up/v1/%252e%252e/%252e%252e/admin',
      '/passthrough/up/a%2f..%2fb',
      '/passthrough/up/a/..%5cb',
      '/passthrough/up//evil.example/x',
      '/passthrough/up/a\\b',
    ]) {
      expect([path, await statusOf(path)]).toEqual([path, 400]);
    }
    expect(await statusOf('/passthrough/nobody/x')).toBe(404);
    expect(upstream.got).toEqual([]);
  });

  it('applies a key’s list of models, and refuses where no model can be read', async () => {
    const { key: secret } = await gateway.client.call('createKey', { name: 'narrow', models: ['up/gpt-4o'] });
    const as = { authorization: `Bearer ${secret}` };
    const status = async (path: string, body: object) => (await post(path, body, as)).status;
    expect(await status('/passthrough/up/chat/completions', { model: 'gpt-4o' })).toBe(200);
    expect(await status('/passthrough/up/chat/completions', { model: 'o3' })).toBe(403);
    expect(await status('/passthrough/up/chat/completions', {})).toBe(403);
    expect(await status('/passthrough/up/batches', { model: 'gpt-4o', input_file_id: 'f' })).toBe(403);
    expect(
      await status('/passthrough/google/v1beta/models/gemini-2.5-pro:generateContent', { model: 'gpt-4o' }),
    ).toBe(403);
    expect(upstream.got).toHaveLength(1);
  });

  it('keeps a provider’s refusals, but not those of our own credential', async () => {
    upstream.behave((_got, response) => sendJson(response, 422, { error: { message: 'bad field' } }));
    const refused = await post('/passthrough/up/x', { model: 'm' });
    expect([refused.status, await refused.json()]).toEqual([422, { error: { message: 'bad field' } }]);
    expect(await rowOf(refused.headers.get('x-sluice-request-id'))).toMatchObject({
      status: 422,
      cost_usd: '0',
    });
    upstream.behave((_got, response) =>
      sendJson(response, 401, { error: { message: 'Incorrect key: key-up' } }),
    );
    const broken = await post('/passthrough/up/x', { model: 'm' });
    expect(broken.status).toBe(502);
    expect(await broken.text()).not.toContain('key-up');
    upstream.behave((_got, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/' });
      response.end();
    });
    expect((await post('/passthrough/up/x', { model: 'm' })).status).toBe(502);
  });
});
