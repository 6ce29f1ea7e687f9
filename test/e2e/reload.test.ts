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
    await expect.poll(async () => (await ask('after')).status, { timeout: 5000 }).toBe(200);
    expect((await ask('before')).status).toBe(404);
    finish();
    const text = await running.text();
    expect(text).toContain('answer');
    expect(text).toContain('[DONE]');
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
