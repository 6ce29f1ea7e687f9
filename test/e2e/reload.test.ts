import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  CHAT_END,
  chatAnswer,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';

let upstream: TestUpstream;
let gateway: TestGateway;

const file = (model: string) => `
version: 1
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k }
  two: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k }
models:
  ${model}: { deployments: ["one/m"] }
`;

const ask = (model: string, stream = false) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'hi' }] }),
  });

function write(text: string): void {
  if (gateway.configPath === undefined) throw new Error('the gateway has no configuration file');
  writeFileSync(gateway.configPath, text);
}

beforeAll(async () => {
  upstream = await startUpstream(chatAnswer('hello'));
  gateway = await startGateway({ yaml: file('before') });
});

afterAll(async () => {
  await gateway.close();
  await upstream.close();
});

describe('reload', () => {
  it('swaps a changed file in without dropping a stream that runs', async () => {
    let finish: () => void = () => undefined;
    upstream.behave(
      sse((send, response) => {
        send(chatChunk({ role: 'assistant', content: 'long ' }));
        finish = () => {
          send(chatChunk({ content: 'answer' }) + chatChunk({}, 'stop') + CHAT_END);
          response.end();
        };
      }),
    );
    const running = await ask('before', true);
    write(file('after'));
    upstream.behave(chatAnswer('hello'));
    await expect.poll(async () => (await ask('after')).status).toBe(200);
    expect((await ask('before')).status).toBe(404);
    finish();
    const text = await running.text();
    expect(text).toContain('answer');
    expect(text).toContain('[DONE]');
  });

  it('says of a model whose provider is not set up how to get it', async () => {
    const answer = await ask('gemini/gemini-2.5-pro');
    const { error } = (await answer.json()) as { error: { message: string } };
    expect(answer.status).toBe(404);
    expect(error.message).toContain('`gemini` is not set up; set GEMINI_API_KEY');
  });

  it('keeps the old configuration when the new one is broken, and says so', async () => {
    write(`${file('after')}\nmodles: {}\n`);
    await expect
      .poll(async () => (await gateway.client.call('getStatus', {})).config.problems.length, {
        timeout: 5000,
      })
      .toBeGreaterThan(0);
    const { config } = await gateway.client.call('getStatus', {});
    expect(config.problems[0]?.path).toContain('modles');
    expect(config.problems[0]?.remedy).toContain('models');
    expect((await ask('after')).status).toBe(200);
    expect(gateway.logged.some((line) => line.includes('config.rejected'))).toBe(true);
    write(file('after'));
    await expect
      .poll(async () => (await gateway.client.call('getStatus', {})).config.problems.length, {
        timeout: 5000,
      })
      .toBe(0);
  });
});

describe('what is settled at the start', () => {
  const yaml = (more: string) => `version: 1\n${more}`;
  const models = (one: TestGateway) => fetch(`${one.url}/v1/models`);
  let open: TestGateway;

  beforeAll(async () => {
    open = await startGateway({ yaml: yaml('server: { host: 0.0.0.0 }\n') });
  });
  afterAll(() => open.close());

  const rewrite = async (text: string, event: string) => {
    const before = open.logged.length;
    writeFileSync(open.configPath ?? '', text);
    await expect.poll(() => open.logged.slice(before).some((line) => line.includes(event))).toBe(true);
    return open.client.call('getStatus', {});
  };

  it('still asks for a key beyond this machine when the file names another address', async () => {
    expect((await models(open)).status).toBe(401);
    const { access_mode, warnings } = await rewrite(yaml('log: { content: none }\n'), 'config.loaded');
    expect(access_mode).toBe('keys');
    expect(warnings[0]?.problem).toContain('`server.host`');
    expect((await models(open)).status).toBe(401);
  });

  it('refuses open access there, whatever address the file names', async () => {
    const { config } = await rewrite(yaml('access: { mode: open }\n'), 'config.rejected');
    expect(config.problems[0]?.path).toBe('access.mode');
    expect((await models(open)).status).toBe(401);
  });

  it('names what waits for the next start, and forgets it when it is taken back', async () => {
    const { warnings } = await rewrite(
      yaml('server: { host: 0.0.0.0, max_connections: 7 }\n'),
      'config.loaded',
    );
    expect(open.logged.some((line) => line.includes('config.waits_for_start'))).toBe(true);
    expect(warnings).toEqual([
      {
        about: 'configuration',
        problem: 'Changed since the start, and not in force: `server.max_connections`.',
        remedy: 'Start the gateway again to take it.',
      },
    ]);
    const after = await rewrite(yaml('server: { host: 0.0.0.0 }\n'), 'config.loaded');
    expect(after.warnings).toEqual([]);
  });

  it('logs the hash of what is in force now', async () => {
    const { config } = await rewrite(yaml('log: { content: none, retention_days: 9 }\n'), 'config.loaded');
    const [last = '{}'] = open.logged.filter((line) => line.includes('config.loaded')).slice(-1);
    expect(JSON.parse(last)).toMatchObject({ hash: config.hash });
  });

  it('stops serving metrics at once', async () => {
    const metrics = async () => (await fetch(`${open.url}/metrics`)).status;
    expect(await metrics()).toBe(200);
    await rewrite(yaml('server: { host: 0.0.0.0 }\ntelemetry: { prometheus: false }\n'), 'config.loaded');
    expect(await metrics()).toBe(404);
  });

  it('takes an empty file for a write that was cut short', async () => {
    const { config } = await rewrite('', 'config.rejected');
    expect(config.problems[0]?.problem).toBe('The file is empty.');
  });
});
