import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { admin } from '../support/identity.ts';

const CHILD = fileURLToPath(new URL('./audit-child.ts', import.meta.url));
const run = promisify(execFile);
const EACH = 300;
const WRITES = 60;

test('two more processes append while the gateway writes: one chain, nothing lost, nobody refused', async () => {
  const gateway = await startGateway();
  const root = admin(gateway);
  const path = join(gateway.dataDir, 'sluice.db');
  const children = ['first', 'second'].map((name) =>
    run(process.execPath, [CHILD, path, String(EACH), name]),
  );
  const statuses: number[] = [];
  for (let index = 0; index < WRITES; index += 4) {
    const some = Array.from({ length: 4 }, (_, at) =>
      root.call('POST', '/api/teams', { name: `team ${index + at}` }),
    );
    statuses.push(...(await Promise.all(some)).map(({ status }) => status));
  }
  const outcomes = await Promise.all(children);
  expect(outcomes.map(({ stdout }) => stdout)).toEqual(['0\n', '0\n']);
  expect(new Set(statuses)).toEqual(new Set([200]));
  const verdict = (await root.call('GET', '/api/audit/verify')).body;
  expect(verdict).toMatchObject({ valid: true, problem: null });
  const rows: { sequence: number; action: string; actor: string }[] = [];
  for await (const row of gateway.client.lines('exportAudit', {})) rows.push(row as never);
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, index) => index + 1));
  const of = (wanted: string) => rows.filter(({ actor }) => actor === wanted).length;
  expect([of('first'), of('second')]).toEqual([EACH, EACH]);
  expect(rows.filter(({ action }) => action === 'teams.create')).toHaveLength(WRITES);
  // They were at it at the same time: neither stood in one piece.
  const first = rows.flatMap(({ actor }, index) => (actor === 'first' ? [index] : []));
  expect((first.at(-1) ?? 0) - (first[0] ?? 0)).toBeGreaterThan(EACH);
  await gateway.close();
});
