import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type SeenRequest, startUpstream, type TestUpstream } from '../support/upstream.ts';

// What clients of one vendor ask of another vendor's real models, as those models take it: profiles from the catalog decide.

let upstream: TestUpstream;
let gateway: TestGateway;

const CHAT = {
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};
const RESPONSE = {
  id: 'r',
  object: 'response',
  status: 'completed',
  model: 'm',
  output: [{ id: 'm', type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ok' }] }],
  usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
};

const MESSAGE = {
  id: 'msg_kept',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'ok' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
};
const LOST = {
  type: 'error',
  error: { type: 'not_found_error', message: 'Lost.', details: { error_code: 'thread_not_found' } },
};

beforeAll(async () => {
  upstream = await startUpstream((seen, response) => {
    response.setHeader('content-type', 'application/json');
    if (seen.path === '/v1/messages') {
      const thread = seen.body['thread'] as { previous_message_id?: string } | undefined;
      const isLost = thread?.previous_message_id === 'msg_lost';
      response.statusCode = isLost ? 404 : 200;
      response.end(JSON.stringify(isLost ? LOST : MESSAGE));
      return;
    }
    response.end(JSON.stringify(seen.path.includes('/responses') ? RESPONSE : CHAT));
  });
  gateway = await startGateway({
    yaml: `version: 1
providers:
  openai: { base_url: "${upstream.url}/v1", api_key: k }
  anthropic: { base_url: "${upstream.url}", api_key: k }
models:
  both: { deployments: [anthropic/claude-sonnet-4-5, openai/gpt-4.1] }
`,
  });
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

const TOOL = { name: 'f', description: 'F', input_schema: { type: 'object', properties: {} } };

async function sent(path: string, body: object): Promise<SeenRequest> {
  const answer = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(answer.status, await answer.text()).toBe(200);
  return upstream.seen.at(-1) as SeenRequest;
}

const message = (model: string, rest: object) =>
  sent('/v1/messages', { model, max_tokens: 3000, messages: [{ role: 'user', content: 'hi' }], ...rest });

it.each(['gpt-5', 'gpt-5.2', 'o3', 'gpt-4.1'])(
  'the output limit of a Claude client reaches %s under the name it takes',
  async (model) => {
    const { body } = await message(`openai/${model}`, {});
    expect(body['max_completion_tokens']).toBe(3000);
    expect(body).not.toHaveProperty('max_tokens');
  },
);

it('tools and thinking together go where the model takes both', async () => {
  const thinking = { type: 'enabled', budget_tokens: 2000 };
  const { path, body } = await message('openai/gpt-5.4', { thinking, tools: [TOOL] });
  expect(path).toBe('/v1/responses');
  expect(body).toMatchObject({ reasoning: { effort: 'low' }, max_output_tokens: 3000 });
  const { path: plain } = await message('openai/gpt-5.4', { thinking });
  expect(plain).toBe('/v1/chat/completions');
});

it('sampling goes to a model that does not think, and stays behind once it has to', async () => {
  const ask = (thinkingConfig: object) =>
    sent('/v1beta/models/openai/gpt-5.2:generateContent', {
      contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
      generationConfig: { temperature: 0.2, topP: 0.9, ...thinkingConfig },
    });
  expect((await ask({})).body).toMatchObject({ temperature: 0.2, top_p: 0.9 });
  const { body } = await ask({ thinkingConfig: { thinkingLevel: 'LOW' } });
  expect(body).toMatchObject({ reasoning_effort: 'low' });
  expect(body).not.toHaveProperty('temperature');
  expect(body).not.toHaveProperty('top_p');
});

it('what both APIs of OpenAI say alike is kept from one to the other', async () => {
  const { path, body } = await sent('/v1/chat/completions', {
    model: 'openai/gpt-5.4',
    messages: [{ role: 'user', content: 'hi' }],
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
    safety_identifier: 'person-1',
    prompt_cache_retention: '24h',
  });
  expect(path).toBe('/v1/responses');
  expect(body).toMatchObject({ safety_identifier: 'person-1', prompt_cache_retention: '24h' });
  expect(body).not.toHaveProperty('user');
});

describe('message threads, as the tool runners of Anthropic’s SDKs use them', () => {
  const CLAUDE = 'anthropic/claude-sonnet-4-5';
  const GO_ON = { type: 'continue', previous_message_id: 'msg_kept' };
  const turn = async (model: string, thread: object, messages: readonly object[]) => {
    const answer = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-beta': 'message-threads-2026-08-12' },
      body: JSON.stringify({ model, max_tokens: 100, thread, messages }),
    });
    return { status: answer.status, body: (await answer.json()) as { error?: object } };
  };
  const HI = [{ role: 'user', content: 'hi' }];

  it.each(['openai/gpt-4.1', 'both'])(
    '%s: the SDK is told, in its own word, to send everything',
    async (model) => {
      for (const thread of [{ type: 'create' }, GO_ON]) {
        const count = upstream.seen.length;
        const { status, body } = await turn(model, thread, HI);
        expect([status, upstream.seen.length]).toEqual([400, count]);
        expect(body.error).toMatchObject({
          type: 'invalid_request_error',
          details: { error_code: 'thread_unsupported_request' },
        });
      }
    },
  );

  it('Anthropic itself keeps them, even with nothing new to say', async () => {
    for (const [thread, messages] of [
      [{ type: 'create' }, HI],
      [GO_ON, []],
    ] as const) {
      const { status, body } = await turn(CLAUDE, thread, messages);
      expect([status, body]).toMatchObject([200, { id: 'msg_kept' }]);
      expect(upstream.seen.at(-1)?.body).toMatchObject({ thread, messages });
      expect(upstream.seen.at(-1)?.headers['anthropic-beta']).toBe('message-threads-2026-08-12');
    }
  });

  it('a thread that Anthropic lost is the SDK’s to replay', async () => {
    const { status, body } = await turn(CLAUDE, { type: 'continue', previous_message_id: 'msg_lost' }, HI);
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ details: { error_code: 'thread_not_found' } });
    expect((await turn(CLAUDE, { type: 'create' }, [])).status).toBe(400);
  });
});

it('a wrong key reads as OpenAI says it, by which LiteLLM knows it from a bad request', async () => {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-sluice-unknown', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'openai/gpt-4.1', messages: [{ role: 'user', content: 'hi' }] }),
  });
  expect(answer.status).toBe(401);
  expect(await answer.json()).toMatchObject({
    error: { code: 'invalid_api_key', message: expect.stringMatching(/^Incorrect API key provided: /) },
  });
});

it('a change of tools in the middle, as Claude Code makes it, leaves no empty message', async () => {
  const change = { type: 'tool_addition', tool: { type: 'tool_reference', name: 'f' } };
  const messages = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'yes' },
    { role: 'system', content: [change] },
    { role: 'user', content: 'go on' },
  ];
  const { body } = await message('openai/gpt-4.1', { messages, tools: [{ ...TOOL, defer_loading: true }] });
  expect(body['messages']).toEqual([messages[0], messages[1], messages[3]]);
  expect(body['tools']).toMatchObject([{ function: { name: 'f' } }]);
});
