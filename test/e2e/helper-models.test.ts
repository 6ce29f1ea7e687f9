import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Behaviour, chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

// Rates in nano-dollars a token: sonnet 3000 and 15000, opus 5007 and 25000, fable 10000 and 50000.
const yaml = (url: string) => `
version: 1
access: { mode: keys }
providers:
  claude: { type: anthropic, base_url: "${url}/v1", api_key: k }
  second: { type: anthropic, base_url: "${url}/v1", api_key: k, price: { input_usd_per_mtok: 100, output_usd_per_mtok: 100 } }
  cloud: { type: vertex, base_url: "${url}", api_key: k, region: global }
  plain: { type: openai-compatible, base_url: "${url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models:
  sonnet:
    deployments: [{ provider: claude, model: claude-sonnet-5, price: { input_usd_per_mtok: 3, output_usd_per_mtok: 15 } }]
    fallbacks: [sonnet-second]
    retries: { attempts: 0 }
  sonnet-second: { deployments: ["second/claude-sonnet-5"], retries: { attempts: 0 } }
  wise:
    deployments: [{ provider: claude, model: claude-opus-4-8, price: { input_usd_per_mtok: 5.007, output_usd_per_mtok: 25 } }]
    max_output_tokens: 1000
  fable:
    deployments: [{ provider: claude, model: claude-fable-5, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 50 } }]
  gpt: { deployments: ["plain/gpt"] }
`;

const OPUS = 'claude-opus-4-8';
const entry = (type: string, input: number, output: number, model?: string) => ({
  type,
  input_tokens: input,
  output_tokens: output,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  ...(model === undefined ? {} : { model }),
});

/** The counts of a recorded exchange: the answer's own are the two `message` entries. */
const advised = (model = OPUS) => ({
  input_tokens: 2390,
  output_tokens: 121,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  iterations: [
    entry('message', 1128, 110),
    entry('advisor_message', 2518, 22, model),
    entry('message', 1262, 11),
  ],
});

/** Fable declined after 200 tokens, haiku before any, opus answered. */
const served = {
  input_tokens: 430,
  output_tokens: 90,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  iterations: [
    entry('message', 412, 200, 'claude-fable-5'),
    entry('message', 412, 0, 'claude-haiku-5'),
    entry('fallback_message', 430, 90, OPUS),
  ],
};

/** An answer of Anthropic's, whole or as a stream that tells its usage at the end. */
function message(usage: { readonly input_tokens: number; readonly output_tokens: number }): Behaviour {
  return (seen, response) => {
    const head = { id: 'msg_1', type: 'message', role: 'assistant', model: seen.body['model'] };
    const end = { stop_reason: 'end_turn', stop_sequence: null };
    if (seen.body['stream'] !== true) {
      return json(200, { ...head, content: [{ type: 'text', text: '2 + 2 = 4' }], ...end, usage })(
        seen,
        response,
      );
    }
    const events = [
      {
        type: 'message_start',
        message: { ...head, content: [], usage: { input_tokens: 1128, output_tokens: 1 } },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: '2 + 2 = 4' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: end, usage },
      { type: 'message_stop' },
    ];
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
  };
}

let upstream: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream(message(advised()));
});
afterAll(() => upstream.close());
beforeEach(async () => {
  upstream.seen.length = 0;
  upstream.behave(message(advised()));
  gateway = await startGateway({ yaml: yaml(upstream.url) });
});
afterEach(() => gateway.close());

async function keyFor(wish: object = {}) {
  const made = await gateway.client.call('createKey', { name: 'k', ...wish });
  const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: made.key, maxRetries: 0 });
  return { ...made, anthropic };
}

const advisor = (model: string, more: object = {}) => ({
  type: 'advisor_20260301' as const,
  name: 'advisor' as const,
  model,
  ...more,
});
const asking = (more: object = {}) => ({
  model: 'sonnet',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'What is 2+2? Consult your advisor first.' }],
  betas: ['advisor-tool-2026-03-01'],
  ...more,
});

async function lastRow() {
  const { data } = await gateway.client.call('listExchanges', { limit: 1 });
  return gateway.client.call('getExchange', { id: data[0]?.id ?? '' });
}

/** 2390 × 3000 + 121 × 15000 for sonnet, 2518 × 5007 + 22 × 25000 for opus. */
const ADVISED_USD = '0.022142626';
/** 412 × 10000 + 200 × 50000 for fable, nothing for haiku, 430 × 5007 + 90 × 25000 for opus. */
const SERVED_USD = '0.01852301';

describe('what an advisor took', () => {
  it.each([
    ['forwarded as it is', {}],
    ['translated', { policy: { system_prompt: 'Be brief.' } }],
  ])('is billed at its own price, whole and streamed, %s', async (_, wish) => {
    for (const stream of [false, true]) {
      const { id, anthropic } = await keyFor({ ...wish, budget: { limit_usd: '1', window: 'total' } });
      const body = asking({ tools: [advisor(OPUS)] });
      const got = stream
        ? await anthropic.beta.messages.stream(body).finalMessage()
        : await anthropic.beta.messages.create({ ...body, stream: false });
      // What the client sees is as the vendor said it.
      expect(got.usage).toMatchObject({ input_tokens: 2390, output_tokens: 121 });
      expect(got.usage.iterations).toHaveLength(3);
      const row = await lastRow();
      expect([row.stream, row.cost_usd]).toEqual([stream, ADVISED_USD]);
      expect(row.usage).toMatchObject({ input: 2390 + 2518, output: 121 + 22 });
      const { budget } = await gateway.client.call('getKey', { id });
      expect(budget).toMatchObject({ settled_usd: ADVISED_USD, held_usd: '0' });
    }
  });

  it('is billed to a client of another dialect, whose usage stays that of the answer', async () => {
    const { key } = await keyFor();
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'What is 2+2?' }];
    const got = await openai.chat.completions.create({ model: 'sonnet', messages });
    expect(got.usage).toMatchObject({ prompt_tokens: 2390, completion_tokens: 121 });
    expect((await lastRow()).cost_usd).toBe(ADVISED_USD);
    const stream = await openai.chat.completions.create({
      model: 'sonnet',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let told: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) told = chunk.usage ?? told;
    expect(told).toMatchObject({ prompt_tokens: 2390, completion_tokens: 121 });
    expect(await lastRow()).toMatchObject({ stream: true, cost_usd: ADVISED_USD });
  });

  it('costs what the called model costs where no price of its own is known', async () => {
    upstream.behave(message(advised('mystery-1')));
    const { anthropic } = await keyFor();
    await anthropic.beta.messages.create({ ...asking(), stream: false });
    // (2390 + 2518) × 3000 + (121 + 22) × 15000
    expect((await lastRow()).cost_usd).toBe('0.016869');
  });

  it('is billed in a passthrough too', async () => {
    const { key } = await keyFor();
    const answer = await passthrough(key, { tools: [advisor(OPUS)] });
    expect(answer.status).toBe(200);
    const { usage } = (await answer.json()) as { usage: object };
    expect(usage).toEqual(advised());
    const row = await lastRow();
    expect(row.usage).toMatchObject({ input: 2390 + 2518, output: 121 + 22 });
  });
});

describe('an answer of a fallback', () => {
  it.each([false, true])(
    'is billed at its price, and who declined after a beginning (stream: %s)',
    async (stream) => {
      upstream.behave(message(served));
      const { anthropic } = await keyFor();
      const body = asking({ model: 'fable', fallbacks: [{ model: 'claude-haiku-5' }, { model: OPUS }] });
      const got = stream
        ? await anthropic.beta.messages.stream(body).finalMessage()
        : await anthropic.beta.messages.create({ ...body, stream: false });
      expect(got.usage).toMatchObject({ input_tokens: 430, output_tokens: 90 });
      const row = await lastRow();
      expect(row.cost_usd).toBe(SERVED_USD);
      expect(row.usage).toMatchObject({ input: 412 + 430, output: 200 + 90 });
    },
  );
});

function passthrough(key: string, more: object): Promise<Response> {
  const { betas: _, ...body } = asking({ model: 'claude-sonnet-5', ...more });
  return fetch(`${gateway.url}/passthrough/claude/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
}

async function refusal(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Anthropic.APIError)) throw new Error(`no refusal: ${String(error)}`);
  return { status: error.status, headers: error.headers, body: error.error as Told };
}

interface Told {
  readonly type: string;
  readonly error: { readonly type: string; readonly message: string };
}

describe('a key with a list of models', () => {
  it.each([
    [
      'an advisor',
      { tools: [{ name: 'f', input_schema: { type: 'object' } }, advisor(OPUS)] },
      'tools[1].model',
    ],
    ['a fallback', { fallbacks: [{ model: 'claude-sonnet-5' }, { model: OPUS }] }, 'fallbacks[1].model'],
  ])('cannot have another through %s', async (_, more, field) => {
    const { anthropic, key } = await keyFor({ models: ['sonnet', '*/claude-sonnet-5'] });
    const { status, headers, body } = await refusal(
      anthropic.beta.messages.create({ ...asking(more), stream: false }),
    );
    expect(status).toBe(403);
    expect(headers?.get('x-sluice-error')).toBe('model_forbidden');
    expect(body).toMatchObject({ type: 'error', error: { type: 'permission_error' } });
    expect(body.error.message).toContain(OPUS);
    expect(body.error.message).toContain(field);
    const direct = await passthrough(key, more);
    expect(direct.status).toBe(403);
    expect(await direct.text()).toContain(field);
    // However it is spelled.
    const { betas: __, ...plain } = asking({ ...more, model: 'claude-sonnet-5' });
    const spelled = JSON.stringify(plain)
      .replaceAll(OPUS, 'cl\\u0061ude-opus-4-8')
      .replace('"advisor_20260301"', '"\\u0061dvisor_20260301"');
    for (const path of ['/passthrough/claude/v1/messages', '/v1/messages']) {
      const response = await fetch(gateway.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: path === '/v1/messages' ? spelled.replace('"claude-sonnet-5"', '"sonnet"') : spelled,
      });
      expect([path, response.status, await response.text()]).toEqual([
        path,
        403,
        expect.stringContaining(field),
      ]);
    }
    // Nor where the model stands in the path and the body says it is something else.
    const vertex = await fetch(
      `${gateway.url}/passthrough/cloud/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-5:rawPredict`,
      {
        method: 'POST',
        headers: { 'content-type': 'text/plain', authorization: `Bearer ${key}` },
        body: spelled,
      },
    );
    expect([vertex.status, await vertex.text()]).toEqual([403, expect.stringContaining(field)]);
    expect(upstream.seen).toHaveLength(0);
  });

  it.each(['claude-opus-4-8', 'claude/claude-opus-4-8', 'wise', 'claude/*', '*'])(
    'may have it where the list says `%s`',
    async (listed) => {
      const { anthropic, key } = await keyFor({ models: ['sonnet', 'claude/claude-sonnet-5', listed] });
      for (const more of [{ tools: [advisor(OPUS)] }, { fallbacks: [{ model: OPUS }] }]) {
        await anthropic.beta.messages.create({ ...asking(more), stream: false });
        expect((await passthrough(key, more)).status).toBe(200);
      }
      expect(upstream.seen).toHaveLength(4);
    },
  );

  it('cannot let the vendor choose, and is told what to do', async () => {
    const { anthropic, key } = await keyFor({
      models: ['fable', 'claude/claude-sonnet-5', 'claude-opus-4-8'],
    });
    const wish = { model: 'fable', fallbacks: 'default' as const };
    const { status, body } = await refusal(
      anthropic.beta.messages.create({ ...asking(wish), stream: false }),
    );
    expect([status, body.error.type]).toEqual([403, 'permission_error']);
    expect(body.error.message).toContain('Name the models');
    expect((await passthrough(key, { fallbacks: 'default' })).status).toBe(403);
    expect(upstream.seen).toHaveLength(0);
    const free = await keyFor();
    await free.anthropic.beta.messages.create({ ...asking(wish), stream: false });
    expect(upstream.seen).toHaveLength(1);
  });

  it('is not failed over to where the list does not allow the helper', async () => {
    upstream.behave(json(500, { type: 'error', error: { type: 'api_error', message: 'no' } }));
    const body = { ...asking({ tools: [advisor(OPUS)] }), stream: false as const };
    const narrow = await keyFor({ models: ['sonnet', 'sonnet-second', 'claude/claude-opus-4-8'] });
    await refusal(narrow.anthropic.beta.messages.create(body));
    expect(upstream.seen).toHaveLength(1);
    const wide = await keyFor({ models: ['sonnet', 'sonnet-second', '*/claude-opus-4-8'] });
    await refusal(wide.anthropic.beta.messages.create(body));
    expect(upstream.seen).toHaveLength(3);
  });

  it('asks a provider of another kind as ever: the field does not reach it', async () => {
    upstream.behave(chatAnswer('4'));
    const { anthropic } = await keyFor({ models: ['gpt'] });
    const body = asking({ model: 'gpt', fallbacks: [{ model: OPUS }] });
    await anthropic.beta.messages.create({ ...body, stream: false });
    expect(upstream.seen[0]?.body).not.toHaveProperty('fallbacks');
  });
});

describe('a model that needs an approval', () => {
  it.each([
    ['an advisor', { tools: [advisor(OPUS)] }],
    ['a fallback', { fallbacks: [{ model: OPUS }] }],
    ['whatever the vendor chooses', { fallbacks: 'default' }],
  ])('is not had as %s without one', async (_, more) => {
    const { anthropic } = await keyFor({ policy: { approvals: ['wise'] } });
    const body = { ...asking(more), stream: false as const };
    const refused = await refusal(anthropic.beta.messages.create(body));
    expect([refused.status, refused.headers?.get('x-sluice-error')]).toEqual([403, 'approval_required']);
    expect(upstream.seen).toHaveLength(0);
    const id = refused.headers?.get('x-sluice-approval') ?? '';
    await gateway.client.call('approve', { id, reason: 'fine' });
    await anthropic.beta.messages.create(body, { headers: { 'x-sluice-approval': id } });
    expect(upstream.seen).toHaveLength(1);
  });
});

describe('a budget', () => {
  /** What is held while the upstream is at work, nano-dollars, and the bytes that were sent to the gateway. */
  async function held(more: object): Promise<{ readonly nano: number; readonly prompt: number }> {
    const { id, key } = await keyFor({ budget: { limit_usd: '100', window: 'total' } });
    let answer: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => {
      answer = resolve;
    });
    upstream.behave(async (seen, response) => {
      await waits;
      await message(advised())(seen, response);
    });
    const { betas: _, ...body } = asking(more);
    const sent = JSON.stringify(body);
    const before = upstream.seen.length;
    const response = fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: sent,
    });
    await expect.poll(() => upstream.seen.length).toBe(before + 1);
    const { budget } = await gateway.client.call('getKey', { id });
    answer();
    await (await response).text();
    // An upper estimate of the prompt: two bytes to a token.
    return { nano: Math.round(Number(budget?.held_usd) * 1e9), prompt: 2 * Math.ceil(sent.length / 4) };
  }

  /** Prices of the configuration have one rate for all of a prompt; 6 for rounding. */
  const worst = (rates: { input: number; output: number }, input: number, output: number) =>
    input * rates.input + output * rates.output + 6;
  const SONNET = { input: 3000, output: 15_000 };
  const WISE = { input: 5007, output: 25_000 };

  it('holds what an advisor can take, as often as it may be asked', async () => {
    const none = await held({});
    expect(none.nano).toBe(worst(SONNET, none.prompt, 100));
    const twice = await held({ tools: [advisor(OPUS, { max_uses: 2, max_tokens: 1024 })] });
    expect(twice.nano).toBe(
      worst(SONNET, twice.prompt, 100) + 2 * worst(WISE, twice.prompt + 2000 + 100, 1024),
    );
    // Without limits: three times, each as long as the model's longest answer.
    const open = await held({ tools: [advisor(OPUS)] });
    expect(open.nano).toBe(worst(SONNET, open.prompt, 100) + 3 * worst(WISE, open.prompt + 2000 + 100, 1000));
  });

  it('holds each hop of a chain of fallbacks, since who declines late is billed too', async () => {
    const { nano, prompt } = await held({
      fallbacks: [{ model: OPUS, max_tokens: 50 }, { model: 'mystery-1' }],
    });
    expect(nano).toBe(
      worst(SONNET, prompt, 100) + worst(WISE, prompt + 100, 50) + worst(SONNET, prompt + 100, 100),
    );
    // One that the vendor chooses is taken to cost what the called model does.
    const any = await held({ fallbacks: 'default' });
    expect(any.nano).toBe(worst(SONNET, any.prompt, 100) + worst(SONNET, any.prompt + 100, 100));
  });

  it('refuses what the key could pay without the advisor', async () => {
    const { anthropic } = await keyFor({ budget: { limit_usd: '0.02', window: 'total' } });
    await refusalOf(anthropic, { tools: [advisor(OPUS)] });
    await refusalOf(anthropic, { tools: [advisor(OPUS, { max_uses: 1e300 })] });
    expect(upstream.seen).toHaveLength(0);
    await anthropic.beta.messages.create({ ...asking(), stream: false });
    expect(upstream.seen).toHaveLength(1);
  });

  it('of a model also counts what it takes as a helper', async () => {
    const { id } = await gateway.client.call('createBudget', {
      scope: 'model',
      scope_id: 'wise',
      limit_usd: '1',
      window: 'total',
    });
    const spent = async () => (await gateway.client.call('getBudget', { id })).settled_usd;
    const { anthropic } = await keyFor();
    upstream.behave(message({ input_tokens: 10, output_tokens: 10 }));
    const body = { ...asking({ tools: [advisor(OPUS)] }), stream: false as const };
    await anthropic.beta.messages.create(body);
    expect(await spent()).toBe('0');
    upstream.behave(message(advised()));
    await anthropic.beta.messages.create(body);
    expect(await spent()).toBe(ADVISED_USD);
    // Beside a budget that pays in any case.
    const both = await keyFor({ budget: { limit_usd: '1', window: 'total' } });
    await both.anthropic.beta.messages.create(body);
    expect(await spent()).toBe('0.044285252');
    const { budget } = await gateway.client.call('getKey', { id: both.id });
    expect(budget).toMatchObject({ settled_usd: ADVISED_USD, held_usd: '0' });
    // And after a restart.
    await gateway.close(true);
    gateway = await startGateway({ yaml: yaml(upstream.url), dataDir: gateway.dataDir });
    expect(await spent()).toBe('0.044285252');
    both.anthropic.baseURL = gateway.url;
    await gateway.client.call('updateBudget', { id, limit_usd: '0.05' });
    await refusalOf(both.anthropic, { tools: [advisor(OPUS)] });
    await both.anthropic.beta.messages.create({ ...asking(), stream: false });
  });

  it.each(['wise', '*'])(
    'of a model (`%s`) that only warns counts what it takes, and refuses nothing',
    async (scope_id) => {
      const { id } = await gateway.client.call('createBudget', {
        scope: 'model',
        scope_id,
        limit_usd: '0.000000001',
        window: 'total',
        action: 'warn',
      });
      const { anthropic } = await keyFor();
      const body = { ...asking({ tools: [advisor(OPUS)] }), stream: false as const };
      await anthropic.beta.messages.create(body);
      await anthropic.beta.messages.create(body);
      expect(upstream.seen).toHaveLength(2);
      if (scope_id === 'wise') {
        expect((await gateway.client.call('getBudget', { id })).settled_usd).toBe('0.044285252');
      }
    },
  );

  it('of every model for itself refuses a helper when it is used up', async () => {
    await gateway.client.call('createBudget', {
      scope: 'model',
      scope_id: '*',
      limit_usd: '0.01',
      window: 'total',
    });
    const { anthropic } = await keyFor();
    await refusalOf(anthropic, { tools: [advisor(OPUS)] });
    expect(upstream.seen).toHaveLength(0);
    await anthropic.beta.messages.create({
      ...asking({ tools: [advisor(OPUS, { max_uses: 0 })] }),
      stream: false,
    });
    // What it took has used up its own budget, whoever asks it next.
    await refusalOf(anthropic, { model: 'wise' });
    expect(upstream.seen).toHaveLength(1);
  });

  it('is not made to look up more models than anybody takes', async () => {
    const { anthropic } = await keyFor();
    const fallbacks = Array.from({ length: 17 }, (_, n) => ({ model: `m${n}` }));
    const { status, body } = await refusal(
      anthropic.beta.messages.create({ ...asking({ fallbacks }), stream: false }),
    );
    expect([status, body.error.message]).toEqual([400, expect.stringContaining('at most 16')]);
    expect(upstream.seen).toHaveLength(0);
  });

  async function refusalOf(anthropic: Anthropic, more: object): Promise<void> {
    const { status, headers } = await refusal(
      anthropic.beta.messages.create({ ...asking(more), stream: false }),
    );
    expect([status, headers?.get('x-sluice-error')]).toEqual([429, 'budget_exceeded']);
  }
});
