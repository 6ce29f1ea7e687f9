import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, made } from '../support/identity.ts';

const CHILD = fileURLToPath(new URL('./identity-child.ts', import.meta.url));
const run = promisify(execFile);

let gateway: TestGateway;
let root: ApiUser;

beforeAll(async () => {
  gateway = await startGateway();
  root = admin(gateway);
});

afterAll(() => gateway?.close());

async function status(key: string): Promise<number> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/gpt', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** Changes something in another process while calls go on, and says how long this one still took the key. */
async function untilRefused(
  key: string,
  change: readonly string[],
): Promise<{ afterMs: number; status: number }> {
  const child = run(process.execPath, [CHILD, join(gateway.dataDir, 'sluice.db'), ...change]);
  let refusedAt = 0;
  let refusal = 200;
  const ends = Date.now() + 20_000;
  while (refusal === 200 && Date.now() < ends) {
    refusal = await status(key);
    refusedAt = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const { stdout } = await child;
  return { afterMs: refusedAt - Number(stdout), status: refusal };
}

test('a key that another process revokes, blocks or narrows is refused here within two seconds', async () => {
  const team = await made(root, '/api/teams', { name: 'shared' });
  const keys = await Promise.all(
    ['revoke', 'block', 'narrow'].map((name) => made(root, '/api/keys', { name, team_id: team.id })),
  );
  const [revoked, blocked, narrowed] = keys;
  for (const { key } of keys) expect(await status(key)).toBe(200);
  const outcomes = [
    await untilRefused(revoked.key, ['revoke', revoked.id]),
    await untilRefused(blocked.key, ['block', blocked.id]),
    await untilRefused(narrowed.key, ['narrow', team.id]),
  ];
  expect(outcomes.map((outcome) => outcome.status)).toEqual([401, 401, 403]);
  for (const { afterMs } of outcomes) expect(afterMs).toBeLessThan(2000);
});

test('what this process changes holds from the next call on', async () => {
  const key = await made(root, '/api/keys', { name: 'here' });
  expect(await status(key.key)).toBe(200);
  await root.call('DELETE', `/api/keys/${key.id}`);
  expect(await status(key.key)).toBe(401);
});
