import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunningSimulator, startSimulator } from './simulator.ts';

let sim: RunningSimulator;
beforeAll(async () => {
  sim = await startSimulator({ latency: 'none' });
});
afterAll(() => sim.close());
beforeEach(async () => {
  await fetch(`${sim.url}/__sim/log`, { method: 'DELETE' });
});

const MESSAGES = [{ role: 'user', content: 'How do bridges carry load?' }];

async function post(path: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(`${sim.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, text: await response.text() };
}

async function read(path: string) {
  return (await fetch(`${sim.url}/__sim/${path}`)).json() as Promise<ControlAnswer>;
}

// biome-ignore lint/suspicious/noExplicitAny: answers of the control API, checked by the assertions
type ControlAnswer = any;

describe('the paths of every vendor', () => {
  const contents = [{ role: 'user', parts: [{ text: 'How do bridges carry load?' }] }];
  const blocks = [{ role: 'user', content: [{ text: 'How do bridges carry load?' }] }];

  it.each([
    ['/v1/chat/completions', { model: 'any', messages: MESSAGES }],
    ['/openai/deployments/any/chat/completions?api-version=1', { model: 'any', messages: MESSAGES }],
    ['/v1/responses', { model: 'any', input: 'How do bridges carry load?' }],
    ['/v1/completions', { model: 'any', prompt: 'How do bridges carry load?' }],
    ['/v1/messages', { model: 'any', max_tokens: 300, messages: MESSAGES }],
    ['/v1beta/models/any:generateContent', { contents }],
    ['/v1/projects/p/locations/l/publishers/google/models/any:generateContent', { contents }],
    ['/v1beta/models/any:streamGenerateContent?alt=sse', { contents }],
    ['/v1beta/models/any:streamGenerateContent', { contents }],
    ['/model/any/converse', { messages: blocks }],
    ['/model/any/converse-stream', { messages: blocks }],
    ['/v2/chat', { model: 'any', messages: MESSAGES }],
    ['/api/chat', { model: 'any', messages: MESSAGES }],
  ])('%s', async (path, body) => {
    const { status, text } = await post(path, body);
    expect(status).toBe(200);
    expect(text).toContain('bridges');
    const { all, models } = await read('totals');
    expect(all.completed).toBe(1);
    expect(models.any.output).toBeGreaterThan(10);
  });

  it('streams a JSON array where Gemini is asked without alt=sse', async () => {
    const { text } = await post('/v1beta/models/any:streamGenerateContent', { contents });
    const list = JSON.parse(text);
    expect(list.length).toBeGreaterThan(2);
    expect(list.at(-1).candidates[0].finishReason).toBe('STOP');
  });

  it('answers the other operations', async () => {
    const counted = await post('/v1beta/models/any:countTokens', { contents });
    expect(JSON.parse(counted.text).totalTokens).toBeGreaterThan(5);
    const ranked = await post('/v2/rerank', {
      model: 'r',
      query: 'cats',
      documents: ['dogs bark', 'cats purr'],
    });
    expect(JSON.parse(ranked.text).results[0].index).toBe(1);
    expect((await post('/v1/moderations', { input: 'I will kill the process' })).text).toContain(
      '"flagged":true',
    );
    expect((await post('/v1/audio/speech', { input: 'hello' })).status).toBe(200);
    const list = (await (await fetch(`${sim.url}/v1/models`)).json()) as { data: { id: string }[] };
    expect(list.data.map(({ id }) => id)).toContain('claude-reasoner');
    expect((await post('/v1/nothing', {})).status).toBe(404);
  });
});

describe('what it refuses, as the vendors do', () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
  const [user] = MESSAGES;

  it.each([
    ['/v1/messages', { model: 'claude', messages: MESSAGES }, 'max_tokens'],
    ['/v1/responses', { model: 'responses', input: 'hi', max_output_tokens: 3 }, 'max_output_tokens'],
    [
      '/v1/chat/completions',
      { model: 'gpt', messages: [user, { role: 'assistant', tool_calls: [call] }, user] },
      'call_1',
    ],
    [
      '/v1/chat/completions',
      { model: 'gpt', messages: [user, { role: 'tool', tool_call_id: 'x9', content: 'r' }] },
      'x9',
    ],
    ['/v1/chat/completions', { model: 'gpt', messages: 'none' }, 'messages'],
    [
      '/v1/messages',
      {
        model: 'claude',
        max_tokens: 900,
        thinking: { type: 'enabled', budget_tokens: 1024 },
        messages: MESSAGES,
      },
      'budget_tokens',
    ],
  ])('%s', async (path, body, word) => {
    const { status, text } = await post(path, body);
    expect(status).toBe(400);
    expect(text).toContain(word);
  });
});

describe('what it remembers', () => {
  it('bills in its totals exactly what it reported', async () => {
    const reported = { input: 0, output: 0 };
    for (let turn = 0; turn < 5; turn++) {
      const { text } = await post('/v1/chat/completions', {
        model: 'sim/gpt-mini',
        messages: [{ role: 'user', content: `Story number ${turn} about rivers` }],
      });
      const { usage } = JSON.parse(text);
      reported.input += usage.prompt_tokens;
      reported.output += usage.completion_tokens;
    }
    await post('/v1/chat/completions', { model: 'gpt-mini~fault=e500', messages: MESSAGES });
    const { models } = await read('totals');
    expect(models['gpt-mini']).toMatchObject({ requests: 6, completed: 5, failed: 1, ...reported });
    const { data } = await read('log');
    expect(data).toHaveLength(6);
    expect(data.at(-1)).toMatchObject({
      status: 500,
      fault: 'e500',
      usage: null,
      path: '/v1/chat/completions',
    });
  });

  it('notes who hung up, and bills what was produced until then', async () => {
    const body = {
      model: 'gpt',
      stream: true,
      messages: [{ role: 'user', content: '[[sim tokens=500 tps=200 chunk=8]] rivers' }],
    };
    await new Promise<void>((resolve) => {
      const call = httpRequest(
        `${sim.url}/v1/chat/completions`,
        { method: 'POST', agent: false },
        (response) => {
          response.once('data', () => setTimeout(() => call.destroy(), 200));
          response.on('close', () => resolve());
          response.on('error', () => undefined);
        },
      );
      call.on('error', () => resolve());
      call.end(JSON.stringify(body));
    });
    await expect.poll(async () => (await read('totals')).all.abandoned).toBe(1);
    const { data } = await read('log');
    expect(data[0]).toMatchObject({ client_closed: true, stream: true });
    expect(data[0].usage.output).toBeGreaterThan(5);
    expect(data[0].usage.output).toBeLessThan(300);
  });

  it('reads repeated prompt beginnings from the cache, as OpenAI does', async () => {
    const content = 'The quick brown fox jumps over the lazy dog near the river bank. '.repeat(120);
    const ask = async (last: string) => {
      const messages = [
        { role: 'system', content },
        { role: 'user', content: last },
      ];
      return JSON.parse((await post('/v1/chat/completions', { model: 'gpt', messages })).text).usage;
    };
    const first = await ask('one');
    const second = await ask('two');
    expect(first.prompt_tokens_details.cached_tokens).toBe(0);
    expect(second.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(1024);
    expect(second.prompt_tokens_details.cached_tokens % 128).toBe(0);
    expect(second.prompt_tokens).toBe(first.prompt_tokens);
  });

  it('takes defaults for all following calls and drops them again', async () => {
    await post('/__sim/behaviour', { options: 'fault=e503' });
    expect((await post('/v1/chat/completions', { model: 'gpt', messages: MESSAGES })).status).toBe(503);
    const mild = { model: 'gpt~fault=none', messages: MESSAGES };
    expect((await post('/v1/chat/completions', mild)).status).toBe(200);
    await post('/__sim/behaviour', {});
    expect((await post('/v1/chat/completions', { model: 'gpt', messages: MESSAGES })).status).toBe(200);
  });
});

describe('how it takes instructions', () => {
  const answer = async (content: string, model = 'gpt') => {
    const { text } = await post('/v1/chat/completions', { model, messages: [{ role: 'user', content }] });
    return JSON.parse(text).choices[0];
  };

  it('in the prompt, in the model name and in headers, the nearest winning', async () => {
    expect((await answer('[[sim say="blue whale"]] hello')).message.content).toBe('blue whale');
    expect((await answer('hello', 'gpt~say=green,tokens=3')).message.content).toBe('green');
    expect((await answer('[[sim say=red]] hello', 'gpt~say=green')).message.content).toBe('red');
    expect((await answer('[[sim stop=length tokens=12]] hello')).finish_reason).toBe('length');
    const { status } = await post(
      '/v1/chat/completions',
      { model: 'gpt', messages: MESSAGES },
      { 'x-sim-fault': 'e402' },
    );
    expect(status).toBe(402);
  });

  it('repeats what it is told to and works sums out', async () => {
    expect((await answer('Repeat exactly: The sky is green.')).message.content).toBe('The sky is green.');
    expect((await answer('What is 17 * 23?')).message.content).toBe('17 * 23 = 391');
  });

  it('answers in the language it is asked in', async () => {
    expect((await answer('Wie funktioniert eine Brücke und was ist daran schwer?')).message.content).toMatch(
      /ist|der|die/,
    );
    expect((await answer('橋はどうやって荷重を支えますか')).message.content).toMatch(/[\u3040-\u309f]/);
    expect((await answer('请解释一下桥梁的原理')).message.content).toMatch(/[\u4e00-\u9fff]/);
    expect((await answer('¿Cómo funciona un puente y qué es lo más difícil?')).message.content).toMatch(
      / que | el | la /,
    );
  });

  it('gives the same answer twice and another one with another seed', async () => {
    const [one, two] = [await answer('Tell me about rivers'), await answer('Tell me about rivers')];
    expect(two.message).toEqual(one.message);
    expect((await answer('Tell me about rivers', 'gpt~seed=9')).message).not.toEqual(one.message);
  });

  it('is lively by default', async () => {
    const lively = await startSimulator();
    try {
      const startedAt = performance.now();
      const response = await fetch(`${lively.url}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({
          model: 'gpt',
          stream: true,
          messages: [{ role: 'user', content: '[[sim tokens=20]] hi' }],
        }),
      });
      const reader = response.body?.getReader();
      await reader?.read();
      const firstMs = performance.now() - startedAt;
      while ((await reader?.read())?.done === false);
      const totalMs = performance.now() - startedAt;
      expect(firstMs).toBeGreaterThan(150);
      expect(firstMs).toBeLessThan(10_000);
      expect(totalMs - firstMs).toBeGreaterThan(100);
    } finally {
      await lively.close();
    }
  });
});
