import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
let upstream: Server;
let key: string;
/** Answers the provider has not given yet. */
const waiting: ServerResponse[] = [];

beforeAll(async () => {
  upstream = createServer((request, response) => {
    request.resume();
    waiting.push(response);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port } = upstream.address() as AddressInfo;
  gateway = await startGateway({
    yaml: `
version: 1
server: { max_in_flight: 2 }
access: { mode: keys, max_auth_failures_per_minute: 5 }
providers:
  slow: { type: openai-compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: k }
models:
  slow: { deployments: ["slow/m"] }
`,
  });
  key = (await gateway.client.call('createKey', { name: 'a' })).key;
});

afterAll(async () => {
  for (const response of waiting) response.destroy();
  upstream.closeAllConnections();
  upstream.close();
  await gateway.close();
});

const chat = (credential: string, path = '/v1/chat/completions') =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'slow', max_tokens: 5, messages: [{ role: 'user', content: 'a' }] }),
  });

async function until(ready: () => boolean): Promise<void> {
  while (!ready()) await new Promise((resolve) => setTimeout(resolve, 10));
}

it('more requests at once than `server.max_in_flight` get 503 in their dialect, and health still answers', async () => {
  const running = [chat(key), chat(key)];
  await until(() => waiting.length === 2);
  const refused = await chat(key, '/v1/messages');
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-sluice-error')).toBe('overloaded');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(refused.headers.get('x-sluice-request-id')).toMatch(/^exc_/);
  expect(await refused.json()).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
  expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
  expect(waiting).toHaveLength(2);
  for (const response of waiting.splice(0)) {
    response.writeHead(200, { 'content-type': 'application/json' });
    const message = { role: 'assistant', content: 'a' };
    response.end(JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] }));
  }
  for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
});

it('too many wrong keys from one address get 429, and the right key still works', async () => {
  const statuses: number[] = [];
  for (let guess = 0; guess < 8; guess++) statuses.push((await chat(`sk-sluice-guess${guess}`)).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
  const refused = await chat('sk-1234', '/v1/messages');
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30);
  expect(await refused.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
  const models = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect(models.status).toBe(200);
});

it('while an address guesses the admin key, even the right one is not told from others', async () => {
  const ask = (adminKey: string) =>
    fetch(`${gateway.url}/api/status`, { headers: { authorization: `Bearer ${adminKey}` } });
  expect((await ask(gateway.adminKey)).status).toBe(200);
  const statuses: number[] = [];
  for (let guess = 0; guess < 6; guess++) statuses.push((await ask(`guess-${guess}`)).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  const refused = await ask(gateway.adminKey);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30);
});
