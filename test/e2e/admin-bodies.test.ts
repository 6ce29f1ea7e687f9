import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
let id: string;

beforeAll(async () => {
  gateway = await startGateway({ yaml: 'version: 1\naccess: { mode: keys }\n' });
  id = (await gateway.client.call('createKey', { name: 'k' })).id;
});
afterAll(() => gateway?.close());

async function send(
  method: string,
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
  type = 'application/json',
) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${gateway.adminKey}`, 'content-type': type },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  return {
    status: response.status,
    error: (JSON.parse(text) as { error?: { message: string } }).error?.message,
  };
}

test('a JSON type without a body is no body', async () => {
  expect(await send('POST', `/api/keys/${id}/block`)).toMatchObject({ status: 200 });
  expect(await send('POST', `/api/keys/${id}/unblock`, '')).toMatchObject({ status: 200 });
  expect(await send('POST', '/api/keys')).toMatchObject({ status: 400 });
  expect(await send('DELETE', `/api/keys/${id}`)).toMatchObject({ status: 200 });
});

test('what cannot be read says what is wrong with it', async () => {
  expect(await send('POST', '/api/keys', '{')).toEqual({
    status: 400,
    error: 'The request could not be read: send valid JSON.',
  });
  const latin = new Uint8Array([...Buffer.from('{"name":"'), 0xe9, ...Buffer.from('"}')]);
  expect(await send('POST', '/api/keys', latin)).toEqual({
    status: 400,
    error: 'The request is no valid UTF-8.',
  });
  expect((await send('POST', '/api/keys', 'a=b', 'application/x-www-form-urlencoded')).error).toContain(
    'Content-Type',
  );
  const large = await send('POST', '/api/keys', `{"name":"${'x'.repeat(3_000_000)}"}`);
  expect(large).toEqual({ status: 413, error: 'The request is too large.' });
});

test('names are trimmed and hold no control characters, and a month is asked for in words', async () => {
  for (const path of ['/api/keys', '/api/teams', '/api/projects']) {
    for (const name of ['a\u0000b', 'a\u001b[31mb', ' ', '']) {
      const answer = await send('POST', path, JSON.stringify({ name }));
      expect([path, name, answer.status]).toEqual([path, name, 400]);
    }
  }
  const month = 'Write a month as `2026-11`';
  for (const query of ['', '?month=2026-13', '?month=soon']) {
    const answer = await send('GET', `/api/reports/chargeback${query}`);
    expect(answer).toMatchObject({ status: 400, error: expect.stringContaining(month) });
  }
});

test.each([
  ['x-sluice-fallback', 'maybe'],
  ['x-sluice-metadata', '[]'],
  ['x-sluice-metadata', '{'],
])('the header %s: %s is refused by name', async (name, value) => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-sluice-none', [name]: value },
    body: '{"model":"m","messages":[]}',
  });
  const { error } = (await response.json()) as { error: { param: string } };
  expect([response.status, error.param]).toEqual([400, name]);
});
