import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  exchange,
  hold,
  lineOf,
  NOON,
  recordingLog,
  systemClock,
} from '../../../test/contract/ledger-samples.ts';
import type { Store } from '../../ports/store.ts';
import { openJournal } from '../journal/journal.ts';
import { listSegments } from '../journal/segment.ts';
import { openSqlite, type SqliteOptions } from './open.ts';

const CHILD = fileURLToPath(new URL('../../../test/contract/ledger-child.ts', import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-recovery-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function opened(options: Partial<SqliteOptions> = {}, segmentBytes = 1 << 20) {
  const log = recordingLog();
  const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock, segmentBytes });
  try {
    const sqlite = await openSqlite({ directory, journal, clock: systemClock, log, ...options });
    const close = async () => {
      await sqlite.ledger.close();
      await sqlite.store.close();
    };
    return { ...sqlite, journal, log, close };
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/** id → outcome of every row. */
async function outcomes(store: Store): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  let cursor: string | undefined;
  do {
    const page = await store.exchanges.list({}, { limit: 500, cursor });
    for (const record of page.data) {
      expect(found.has(record.id)).toBe(false);
      found.set(record.id, record.outcome);
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}

/** Lets the child work for a while and kills it. */
async function killAfter(ms: number, prefix: string): Promise<void> {
  const child = spawn(process.execPath, [CHILD, directory, prefix], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), ms));
  expect(await ended).toBe('SIGKILL');
}

/** What all children were promised. */
function promises(): { readonly held: Set<string>; readonly settled: Set<string> } {
  const lines = readFileSync(join(directory, 'promises'), 'utf8').split('\n');
  const of = (letter: string) =>
    new Set(lines.filter((line) => line.startsWith(`${letter} `)).map((line) => line.slice(2)));
  return { held: of('H'), settled: of('S') };
}

test('after kill -9 nothing promised is missing, nothing is charged twice, open holds are charged', async () => {
  for (const [round, ms] of [150, 400, 40].entries()) await killAfter(ms, String(round));
  const { held, settled } = promises();
  expect(settled.size).toBeGreaterThan(100);
  const { store, close } = await opened();
  const found = await outcomes(store);
  for (const id of settled) expect(found.get(id)).toBe('answered');
  for (const id of held) expect(found.has(id)).toBe(true);
  const crashed = [...found.values()].filter((outcome) => outcome === 'crashed').length;
  expect(crashed).toBeLessThanOrEqual(3 * 24);
  const totals = await store.usage.total({ keyId: 'key_1' }, 0);
  expect(totals.requests).toBe(found.size);
  expect(totals.costNano).toBe((found.size - crashed) * 1000 + crashed * 5000);
  const [first] = [...found].find(([, outcome]) => outcome === 'crashed') ?? [];
  if (first !== undefined) {
    expect(await store.exchanges.get(first)).toMatchObject({
      usage: { source: 'estimated' },
      cost: { total: 5000 },
    });
  }
  await close();
  const database = new DatabaseSync(join(directory, 'sluice.db'));
  expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
  database.close();
});

test('recovery twice changes nothing', async () => {
  const first = await opened();
  await first.ledger.hold(hold('exc_1', { user: 'ann', operation: 'chat' }));
  await first.ledger.settle(exchange('exc_2'));
  await first.close();
  for (let round = 0; round < 2; round += 1) {
    const { store, close } = await opened();
    expect(await outcomes(store)).toEqual(
      new Map([
        ['exc_2', 'answered'],
        ['exc_1', 'crashed'],
      ]),
    );
    expect((await store.usage.total({}, 0)).costNano).toBe(6000);
    expect((await store.usage.total({ user: 'ann' }, 0)).costNano).toBe(5000);
    await close();
  }
  expect(listSegments(join(directory, 'journal'))).toHaveLength(1);
});

test('a crashed exchange that retention deleted does not come back', async () => {
  const first = await opened();
  await first.ledger.hold(hold('exc_1'));
  await first.close();
  const second = await opened();
  expect(await second.store.exchanges.prune({ before: NOON + 1 })).toBe(1);
  await second.close();
  const third = await opened();
  expect(await outcomes(third.store)).toEqual(new Map());
  expect((await third.store.usage.total({}, 0)).requests).toBe(1);
  await third.close();
});

test('the end of a torn journal is passed over', async () => {
  const first = await opened();
  await first.ledger.settle(exchange('exc_1'));
  await first.close();
  const torn = lineOf('settle', exchange('exc_2')).slice(0, -20);
  const segment = (listSegments(join(directory, 'journal')).at(-1) ?? 0) + 1;
  const damaged = lineOf('settle', exchange('exc_3')).replace('gpt', 'gpu');
  const path = join(directory, 'journal', `${String(segment).padStart(16, '0')}.journal`);
  writeFileSync(path, damaged + lineOf('settle', exchange('exc_4')) + torn);
  const { store, log, close } = await opened();
  expect([...(await outcomes(store)).keys()]).toEqual(['exc_4', 'exc_1']);
  expect(log.events).toContain('ledger_recovered');
  await close();
});

test('segments go when they are ingested, but not under an open hold', async () => {
  const { ledger, journal, store, close } = await opened({}, 3000);
  const segments = () => listSegments(journal.directory);
  for (let index = 0; index < 20; index += 1) await ledger.settle(exchange(`exc_${index}`));
  await ledger.flush();
  expect(segments()).toHaveLength(1);
  await ledger.hold(hold('exc_open'));
  const pinned = journal.position().segment;
  for (let index = 20; index < 40; index += 1) await ledger.settle(exchange(`exc_${index}`));
  await ledger.flush();
  expect(segments()).toContain(pinned);
  await ledger.settle(exchange('exc_open'));
  await ledger.flush();
  expect(segments()).toEqual([journal.position().segment]);
  expect((await outcomes(store)).size).toBe(41);
  await close();
});

test('exchanges become visible without a flush', async () => {
  const { ledger, store, close } = await opened();
  await ledger.settle(exchange('exc_1'));
  await expect.poll(() => store.exchanges.get('exc_1')).toBeDefined();
  await close();
});

test('a database that refuses for a while loses nothing', async () => {
  const { ledger, store, close } = await opened({ timeoutMs: 20_000 });
  const other = new DatabaseSync(join(directory, 'sluice.db'));
  other.exec('BEGIN IMMEDIATE');
  await ledger.settle(exchange('exc_1'));
  await expect(ledger.flush()).rejects.toThrowError(expect.objectContaining({ code: 'ledger_unavailable' }));
  other.exec('ROLLBACK');
  other.close();
  await ledger.flush();
  expect(await outcomes(store)).toEqual(new Map([['exc_1', 'answered']]));
  expect((await store.usage.total({}, 0)).costNano).toBe(1000);
  await close();
});

test('an answer that does not come in time is a 503, and so is one question too many', async () => {
  const { store, close } = await opened({
    timeoutMs: 1,
    maxPending: 2,
    clock: { ...systemClock, after: hurried },
  });
  const asked = await Promise.allSettled([
    store.keys.active({ limit: 1 }),
    store.keys.active({ limit: 1 }),
    store.keys.active({ limit: 1 }),
  ]);
  const codes = asked.map((result) => (result.status === 'rejected' ? result.reason.code : 'answered'));
  expect(codes).toEqual(['ledger_unavailable', 'ledger_unavailable', 'overloaded']);
  await close();
});

/** A clock whose shortest timers are due at once. */
function hurried(ms: number, callback: () => void): () => void {
  if (ms === 1) {
    queueMicrotask(callback);
    return () => undefined;
  }
  return systemClock.after(ms, callback);
}

test('a closed store says so', async () => {
  const { store, close } = await opened();
  await close();
  await store.close();
  await expect(store.keys.active({ limit: 1 })).rejects.toThrowError(
    expect.objectContaining({ code: 'ledger_unavailable' }),
  );
});

test('files are for the owner alone', async () => {
  const { ledger, close } = await opened();
  await ledger.settle(exchange('exc_1'));
  await ledger.flush();
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const name of ['sluice.db', 'sluice.db-wal', 'sluice.db-shm']) {
    expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  }
  await close();
});
