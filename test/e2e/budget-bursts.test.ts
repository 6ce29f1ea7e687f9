import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  CHAT_END,
  chatAnswer,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

// RELIABILITY R2 for every kind of scope, and holds that come back however a request ends.

const USAGE = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 };
const COST_NANO = 9 * 1000 + 12 * 2000;
const LIMIT_NANO = 60 * COST_NANO;
const IMAGE_NANO = 40_000_000;

let upstream: TestUpstream;
let gateway: TestGateway;
const answer = chatAnswer('Hello there', USAGE);
const stream = sse((send, response) => {
  send(chatChunk({ role: 'assistant', content: 'Hello' }) + chatChunk({}, 'stop') + CHAT_END);
  response.end();
});

const yaml = () => `
version: 1
access: { mode: keys }
providers:
  one:
    type: openai-compatible
    base_url: "${upstream.url}/v1"
    api_key: k
    price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2, image_usd: 0.04 }
    timeouts: { connect_ms: 1000, first_byte_ms: 1500, first_byte_reasoning_ms: 1500, idle_ms: 1500, total_ms: 1500 }
  dear: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 3, output_usd_per_mtok: 6 } }
models:
  m: { deployments: ["one/m"], retries: { attempts: 0 } }
  pair: { deployments: ["one/bad"], retries: { attempts: 0 }, fallbacks: [costly] }
  costly: { deployments: ["dear/costly"] }
`;

beforeAll(async () => {
  upstream = await startUpstream(answer);
});
afterAll(() => upstream.close());
beforeEach(async () => {
  upstream.seen.length = 0;
  upstream.behave((seen, response) => (seen.body['stream'] === true ? stream : answer)(seen, response));
  gateway = await startGateway({ yaml: yaml() });
});
afterEach(() => gateway.close());

interface Call {
  readonly key: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
  readonly path?: string;
  readonly signal?: AbortSignal;
}

function call({
  key,
  body = {},
  headers = {},
  path = '/v1/chat/completions',
  signal,
}: Call): Promise<Response> {
  return fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({
      model: 'm',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'hi' }],
      ...body,
    }),
    ...(signal === undefined ? {} : { signal }),
  });
}

const nano = (usd: string): number => Math.round(Number(usd) * 1e9);
const usd = (amount: number): string => (amount / 1e9).toFixed(9);

async function settled(id: string) {
  for (let turn = 0; turn < 200; turn++) {
    const budget = await gateway.client.call('getBudget', { id });
    if (budget.held_usd === '0') return budget;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('a hold is left');
}

let made = 0;

/** A key in every kind of place, and the headers that name the rest. */
async function places() {
  made += 1;
  const team = await gateway.client.call('createTeam', { name: `t${made}` });
  const project = await gateway.client.call('createProject', { name: 'p', team_id: team.id });
  const user = await gateway.client.call('createUser', { name: 'u', role: 'member', team_id: team.id });
  const { key, id } = await gateway.client.call('createKey', {
    name: 'k',
    team_id: team.id,
    project_id: project.id,
    user_id: user.id,
  });
  const headers = { 'x-sluice-session': 's1', 'x-sluice-tags': 'feature=x', 'x-sluice-user': 'ann' };
  const ids = {
    organization: 'org_default',
    team: team.id,
    project: project.id,
    user: user.id,
    key: id,
    tag: 'feature=x',
    model: 'm',
    end_user: 'ann',
    session: 's1',
  } as const;
  return { key, headers, ids };
}

const KINDS = [
  'organization',
  'team',
  'project',
  'user',
  'key',
  'tag',
  'model',
  'end_user',
  'session',
] as const;

/** Sends 200 at once until nothing is served any more. */
async function burst(given: Call): Promise<{ readonly served: number; readonly refused: Response }> {
  let served = 0;
  let refused: Response | undefined;
  for (let round = 0; round < 8; round++) {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => call({ ...given, body: { stream: n % 2 === 1 } })),
    );
    const statuses: number[] = [];
    for (const response of answers) {
      await response.arrayBuffer();
      statuses.push(response.status);
      if (response.status !== 200) {
        expect(response.headers.get('x-sluice-error')).toBe('budget_exceeded');
        refused = response;
      }
    }
    const now = statuses.filter((status) => status === 200).length;
    served += now;
    if (now === 0) break;
  }
  if (refused === undefined) throw new Error('nothing was refused');
  return { served, refused };
}

describe('200 at once against a small budget', () => {
  it.each(KINDS)('of scope %s', async (scope) => {
    const { key, headers, ids } = await places();
    const budget = await gateway.client.call('createBudget', {
      scope,
      scope_id: ids[scope],
      limit_usd: usd(LIMIT_NANO),
      window: 'total',
    });
    const { served, refused } = await burst({ key, headers });
    const state = await settled(budget.id);
    expect(served).toBe(upstream.seen.length);
    expect(nano(state.settled_usd)).toBe(served * COST_NANO);
    expect(nano(state.settled_usd)).toBeLessThanOrEqual(LIMIT_NANO);
    const [, needed = '0'] = /needed_usd=([\d.]+)/.exec(refused.headers.get('x-sluice-budget') ?? '') ?? [];
    expect(nano(state.remaining_usd)).toBeLessThan(nano(needed));
  });

  it('of every scope at the same time: the smallest refuses, all count the same', async () => {
    const { key, headers, ids } = await places();
    const budgets = await Promise.all(
      KINDS.map((scope, at) =>
        gateway.client.call('createBudget', {
          name: `${scope} budget`,
          scope,
          scope_id: ids[scope],
          limit_usd: usd(LIMIT_NANO * (at === 4 ? 1 : 3)),
          window: at % 2 === 0 ? 'day' : 'month',
          rolling: at % 3 === 0,
        }),
      ),
    );
    const { served, refused } = await burst({ key, headers });
    expect(refused.headers.get('x-sluice-budget')).toContain(`budget=${budgets[4]?.id}`);
    for (const { id, scope } of budgets) {
      const state = await settled(id);
      expect([scope, nano(state.settled_usd), state.held_usd]).toEqual([scope, served * COST_NANO, '0']);
    }
    expect(served * COST_NANO).toBeLessThanOrEqual(LIMIT_NANO);
    expect(served).toBe(upstream.seen.length);
  });
});

describe('a hold comes back', () => {
  const hang = () => new Promise<void>((resolve) => setTimeout(resolve, 5000).unref());

  async function budgeted() {
    const { key, headers, ids } = await places();
    const budgets = await Promise.all(
      (['key', 'organization', 'session'] as const).map((scope) =>
        gateway.client.call('createBudget', { scope, scope_id: ids[scope], limit_usd: 1, window: 'day' }),
      ),
    );
    return { key, headers, budgets };
  }

  const endings: Record<string, (given: Call) => Promise<number>> = {
    'when the client leaves before the answer': async (given) => {
      upstream.behave(() => hang());
      const leave = new AbortController();
      const pending = call({ ...given, signal: leave.signal }).catch(() => undefined);
      while (upstream.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      leave.abort();
      await pending;
      return 0;
    },
    'when the client leaves within a stream': async (given) => {
      upstream.behave(
        sse(async (send) => {
          send(chatChunk({ role: 'assistant', content: 'Hello, here are some words' }));
          await hang();
        }),
      );
      const leave = new AbortController();
      const response = await call({ ...given, body: { stream: true }, signal: leave.signal });
      await response.body?.getReader().read();
      leave.abort();
      return 1;
    },
    'when the provider never answers': async (given) => {
      upstream.behave(() => hang());
      const response = await call(given);
      await response.arrayBuffer();
      expect(response.status).toBe(504);
      return 0;
    },
    'when the client’s own time is over': async (given) => {
      upstream.behave(() => hang());
      const response = await call({ ...given, headers: { ...given.headers, 'x-sluice-timeout-ms': '200' } });
      await response.arrayBuffer();
      expect(response.status).toBe(504);
      return 0;
    },
    'when the provider fails': async (given) => {
      upstream.behave((_, response) => {
        response.writeHead(500).end('{}');
      });
      const response = await call(given);
      await response.arrayBuffer();
      expect(response.status).toBeGreaterThanOrEqual(500);
      return 0;
    },
    'when the connection breaks': async (given) => {
      upstream.behave((_, response) => {
        response.destroy();
      });
      const response = await call(given);
      await response.arrayBuffer();
      expect(response.status).toBe(502);
      return 0;
    },
    'when the stream is cut': async (given) => {
      upstream.behave(
        sse(async (send, response) => {
          send(chatChunk({ role: 'assistant', content: 'Hello, here are some words' }));
          await new Promise((resolve) => setTimeout(resolve, 50));
          response.destroy();
        }),
      );
      const response = await call({ ...given, body: { stream: true } });
      expect(await response.text()).not.toContain('[DONE]');
      return 1;
    },
    'when a dearer fallback answers': async (given) => {
      upstream.behave((seen, response) => {
        if (seen.body['model'] === 'bad') response.writeHead(500).end('{}');
        else answer(seen, response);
      });
      const response = await call({ ...given, body: { model: 'pair' } });
      await response.arrayBuffer();
      expect(response.headers.get('x-sluice-upstream-model')).toBe('costly');
      return 3 * COST_NANO;
    },
    'when the request is refused after the hold': async (given) => {
      const response = await call({ ...given, body: { messages: 'nonsense' } });
      await response.arrayBuffer();
      return 0;
    },
  };

  it.each(Object.keys(endings))('%s', async (name) => {
    const { key, headers, budgets } = await budgeted();
    const least = (await endings[name]?.({ key, headers })) ?? 0;
    const spent = new Set<number>();
    for (const { id } of budgets) {
      const state = await settled(id);
      spent.add(nano(state.settled_usd));
    }
    expect(spent.size).toBe(1);
    const [amount = -1] = spent;
    expect(amount).toBeGreaterThanOrEqual(least);
    expect(amount).toBeLessThan(1_000_000);
    const { data } = await gateway.client.call('getUsage', {});
    expect(nano(data[0]?.cost_usd ?? '0')).toBe(amount);
  });
});

describe('what is set aside covers', () => {
  async function needed(given: Omit<Call, 'key'>): Promise<number> {
    const { key, headers, ids } = await places();
    await gateway.client.call('createBudget', { scope: 'key', scope_id: ids.key, limit_usd: usd(1) });
    const response = await call({ key, headers, ...given });
    await response.arrayBuffer();
    expect(response.headers.get('x-sluice-error')).toBe('budget_exceeded');
    const [, text = '0'] = /needed_usd=([\d.]+)/.exec(response.headers.get('x-sluice-budget') ?? '') ?? [];
    return nano(text);
  }

  it('images, every one of them', async () => {
    const body = { prompt: 'a cat', n: 3, messages: undefined, max_tokens: undefined };
    expect(await needed({ path: '/v1/images/generations', body })).toBeGreaterThanOrEqual(3 * IMAGE_NANO);
  });

  it('tools, choices and a missing max_tokens', async () => {
    const plain = await needed({});
    const parameters = {
      type: 'object',
      properties: { city: { type: 'string', description: 'x'.repeat(4000) } },
    };
    const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
    expect(await needed({ body: { tools } })).toBeGreaterThanOrEqual(plain + 1000 * 1000);
    expect(await needed({ body: { n: 4 } })).toBeGreaterThanOrEqual(plain + 3 * 20 * 2000);
    expect(await needed({ body: { max_tokens: undefined } })).toBeGreaterThanOrEqual(16_000 * 2000);
  });
});
