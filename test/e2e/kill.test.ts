import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ControlClient, createControlClient } from '../../src/control/client.ts';
import {
  CHAT_END,
  chatAnswer,
  chatChunk,
  sse,
  startUpstream,
  type TestUpstream,
} from '../support/upstream.ts';
import { type RunningSluice, spawnSluice } from './sluice-process.ts';

const ADMIN_KEY = 'sk-admin-for-the-kill-test';
const ROUNDS = 3;
const CLIENTS = 24;
/** Nano-dollars of one answer: 9 and 12 tokens at $1 and $2 per million. */
const COST_NANO = 9 * 1000 + 12 * 2000;

let upstream: TestUpstream;
let folder: string;
/** Requests whose last byte a client has, by the gateway's id. */
const completed = new Set<string>();

async function start(): Promise<{ process: RunningSluice; url: string; client: ControlClient }> {
  const argv = [
    'start',
    '--json',
    '--port',
    '0',
    '--config',
    join(folder, 'sluice.yaml'),
    '--data-dir',
    join(folder, 'data'),
  ];
  const process = spawnSluice(argv, { folder, environment: { SLUICE_ADMIN_KEY: ADMIN_KEY } });
  const { url } = JSON.parse(await process.line((line) => line.includes('"url"'))) as { url: string };
  return { process, url, client: createControlClient({ baseUrl: url, adminKey: ADMIN_KEY }) };
}

/** One client that calls until the gateway dies; streams and whole answers in turn. */
async function callUntilDead(url: string, key: string): Promise<void> {
  for (let turn = 0; ; turn++) {
    try {
      const answer = await fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({
          model: 'm',
          max_tokens: 20,
          stream: turn % 2 === 1,
          messages: [{ role: 'user', content: 'hi' }],
        }),
      });
      const text = await answer.text();
      const whole = turn % 2 === 1 ? text.includes('[DONE]') : answer.status === 200;
      if (whole) completed.add(answer.headers.get('x-sluice-request-id') ?? '');
    } catch {
      return;
    }
  }
}

async function allRows(client: ControlClient) {
  const rows = [];
  let cursor: string | undefined;
  do {
    const page = await client.call('listExchanges', {
      limit: 500,
      ...(cursor === undefined ? {} : { cursor }),
    });
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return rows;
}

beforeAll(async () => {
  const stream = sse((send, response) => {
    send(chatChunk({ role: 'assistant', content: 'Hello' }) + chatChunk({}, 'stop') + CHAT_END);
    response.end();
  });
  upstream = await startUpstream((seen, response) =>
    seen.body['stream'] === true ? stream(seen, response) : chatAnswer('Hello')(seen, response),
  );
  folder = mkdtempSync(join(tmpdir(), 'sluice-kill-'));
  writeFileSync(
    join(folder, 'sluice.yaml'),
    `
version: 1
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
`,
    { mode: 0o600 },
  );
});

afterAll(async () => {
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('kill -9 under load', () => {
  it('loses no completed request and no money the provider bills', async () => {
    let running = await start();
    const { key, id } = await running.client.call('createKey', {
      name: 'load',
      budget: { limit_usd: 1000, window: 'total' },
    });
    for (let round = 0; round < ROUNDS; round++) {
      const clients = Array.from({ length: CLIENTS }, () => callUntilDead(running.url, key));
      await new Promise((resolve) => setTimeout(resolve, 600 + round * 150));
      running.process.child.kill('SIGKILL');
      await Promise.all(clients);
      await running.process.ended;
      running = await start();
    }
    const rows = await allRows(running.client);
    const ids = new Set(rows.map((row) => row.id));
    expect(completed.size).toBeGreaterThan(ROUNDS * CLIENTS);
    expect([...completed].filter((done) => !ids.has(done))).toEqual([]);
    expect(ids.size).toBe(rows.length);
    // Nor does one whose end a client has seen stand as open: it is journalled before that, streamed or not.
    const ofClients = rows.filter(({ id }) => completed.has(id));
    expect(ofClients.filter(({ outcome }) => outcome !== 'answered')).toEqual([]);

    // What the provider served and would bill is all in the ledger; holds that were open are charged in full.
    const served = upstream.seen.length;
    expect(rows.length).toBeGreaterThanOrEqual(served);
    const charged = rows.reduce((sum, row) => sum + BigInt(Math.round(Number(row.cost_usd ?? 0) * 1e9)), 0n);
    expect(charged).toBeGreaterThanOrEqual(BigInt(served * COST_NANO));
    const crashed = rows.filter((row) => row.outcome === 'crashed');
    expect(crashed.length).toBeLessThanOrEqual(ROUNDS * CLIENTS);
    expect(crashed.every((row) => row.usage.source === 'estimated')).toBe(true);

    // Budget, rollups and log agree to the nano-dollar, and nothing stays held.
    const { budget } = await running.client.call('getKey', { id });
    const { data } = await running.client.call('getUsage', {});
    expect(budget?.held_usd).toBe('0');
    expect(BigInt(Math.round(Number(budget?.settled_usd) * 1e9))).toBe(charged);
    expect(BigInt(Math.round(Number(data[0]?.cost_usd) * 1e9))).toBe(charged);

    running.process.child.kill('SIGTERM');
    expect((await running.process.ended).code).toBe(0);
  });
});
