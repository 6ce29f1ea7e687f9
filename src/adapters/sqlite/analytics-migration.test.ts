import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, NOON } from '../../../test/contract/ledger-samples.ts';
import { decodeExchange, decodeHead, encodeExchange } from '../journal/exchange-text.ts';
import { openDatabase } from './database.ts';
import { createExchangeTexts } from './exchanges.ts';
import { MIGRATIONS } from './migrations.ts';
import { facetOf } from './postings.ts';
import { sumUpDay } from './rollups.ts';
import { facetsOf } from './sums.ts';
import { createUsageStore } from './usage.ts';

const HOUR = 3_600_000;
let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-migration-'));
  path = join(directory, 'sluice.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

const BEFORE = Object.fromEntries(Object.entries(MIGRATIONS).filter(([name]) => name < '0007'));

test('sums made before keep their cost, know where keys belong and are summed up again', async () => {
  const old = await openDatabase(path, BEFORE);
  old.raw.exec(`INSERT INTO virtual_keys (id, name, hash, hint, created_at, blocked, limits, metadata, team_id, project_id)
    VALUES ('key_1', 'one', 'h', 'x', 1, 0, '{}', '{}', 'team_1', 'prj_1')`);
  const insert = old.raw.prepare(
    `INSERT INTO rollups VALUES ('', ?, ?, ?, 'openai', '', '', 2, 0, ?, 10, 0, 0, 5, 100)`,
  );
  for (let hour = 0; hour < 30; hour += 1) {
    insert.run(NOON + hour * HOUR, 'key_1', 'gpt-4o', 7);
    insert.run(NOON + hour * HOUR, '', '', 0);
  }
  old.raw.exec(`UPDATE ingest_state SET days_through = ${NOON + 12 * HOUR};
    INSERT INTO rollup_days SELECT * FROM rollups WHERE hour = ${NOON}`);
  old.raw.close();
  const { raw, typed } = await openDatabase(path);
  const usage = createUsageStore(typed);
  const ask = async () => {
    const rows = await usage.spend({ from: 0, to: NOON + 99 * HOUR, groupBy: ['team', 'project', 'model'] });
    return rows.map(({ group, requests, costNano }) => [...Object.values(group), requests, costNano]);
  };
  const expected = [
    ['team_1', 'prj_1', 'gpt-4o', 60, 210],
    [null, null, '(unknown model)', 60, 0],
  ];
  expect(await ask()).toEqual(expected);
  while (sumUpDay(raw, NOON + 99 * HOUR));
  expect(await ask()).toEqual(expected);
  raw.close();
});

test('what was logged before is found by two filters and by status, as before', async () => {
  const old = await openDatabase(path, BEFORE);
  // As the writer before wrote: a status with nothing beside it, and no sums that know places.
  const record = exchange('exc_old', { status: 503, outcome: 'failed', session: 's', keyId: 'key_1' });
  const text = encodeExchange(record);
  const seq = NOON * 2048;
  old.raw
    .prepare('INSERT INTO exchanges (seq, id, record) VALUES (CAST(? AS INTEGER), ?, ?)')
    .run(seq, record.id, text);
  const posting = old.raw.prepare('INSERT INTO postings (facet, last) VALUES (?, CAST(? AS INTEGER))');
  for (const facet of facetsOf(decodeHead(text), text).filter((one) => !one.startsWith('x:'))) {
    posting.run(facet, seq);
  }
  old.raw.exec(
    `INSERT INTO rollups VALUES ('', ${NOON}, 'key_1', 'gpt-4o', 'openai', '', '', 1, 1, 7, 1, 0, 0, 5, 1)`,
  );
  old.raw.close();
  const { raw } = await openDatabase(path);
  while (sumUpDay(raw, NOON + 99 * HOUR));
  const log = createExchangeTexts(raw);
  for (const filter of [
    { keyId: 'key_1', status: 503 },
    { status: 503 },
    { keyId: 'key_1', model: 'gpt-4o' },
    { model: 'gpt-4o', provider: 'openai', status: 503 },
  ]) {
    const page = await log.list(filter, { limit: 10 });
    expect(page.data.map(({ id }) => id)).toEqual(['exc_old']);
  }
  expect(facetOf.statusAnd(503, facetOf.key('key_1'))).toBe('x:503 k:key_1');
  raw.close();
});

test('a session is read from where it stands now and from where it stood', () => {
  const record = exchange('exc_1', { session: 'mine' });
  const [head = '', who = '', rest = '', price = ''] = encodeExchange(record).split('\t');
  expect(decodeExchange('exc_1', [head, who, rest, price].join('\t')).session).toBe('mine');
  const before = JSON.stringify(JSON.parse(head).slice(0, 15));
  const values = JSON.parse(rest);
  values[16] = 'mine';
  expect(decodeExchange('exc_1', [before, who, JSON.stringify(values), price].join('\t')).session).toBe(
    'mine',
  );
});
