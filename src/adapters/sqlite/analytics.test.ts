import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, NOON, SPEND_VALUES } from '../../../test/contract/ledger-samples.ts';
import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import type { ExchangeFilter, SpendDimension } from '../../ports/store.ts';
import { decodeHead, encodeExchange } from '../journal/exchange-text.ts';
import { type Database, openDatabase } from './database.ts';
import { ExchangeWriter } from './exchange-writer.ts';
import { createExchangeTexts } from './exchanges.ts';
import { sumUpDay, sumUpHour } from './rollups.ts';
import { createUsageStore } from './usage.ts';

const HOUR = 3_600_000;
const MIDNIGHT = NOON - 12 * HOUR;
let directory: string;
let database: Database;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-analytics-'));
  database = await openDatabase(join(directory, 'sluice.db'));
});
afterEach(() => {
  database.raw.close();
  rmSync(directory, { recursive: true });
});

/** Four days in which names combine in some ways and not in others. */
const RECORDS: readonly ExchangeRecord[] = Array.from({ length: 600 }, (_, index) => {
  const key = index % 7;
  const base = exchange(`exc_${index}`);
  const total = 1 + ((index * 7919) % 100_003);
  return {
    ...base,
    startedAt: MIDNIGHT + Math.floor((index * 96 * HOUR) / 600),
    keyId: `key_${key}`,
    model: `model-${key % 3}`,
    provider: key % 3 === 2 ? undefined : `provider-${key % 3}`,
    user: index % 4 === 0 ? undefined : `user-${index % 5}`,
    session: index % 3 === 0 ? undefined : `session-${index % 11}`,
    tags: index % 2 === 0 ? { feature: `f${index % 5}`, env: 'prod' } : {},
    status: index % 10 === 0 ? 429 : 200,
    outcome: index % 10 === 0 ? ('refused' as const) : ('answered' as const),
    cost:
      index % 13 === 0 || base.cost === undefined
        ? undefined
        : { ...base.cost, input: total, output: 0, total },
    ...(key === 0
      ? {}
      : {
          place: {
            organizationId: key === 6 ? 'org_other' : 'org_default',
            teamId: key === 5 ? undefined : `team_${key % 2}`,
            projectId: key === 1 ? 'prj_1' : undefined,
            ownerId: undefined,
          },
        }),
  };
});

function insert(records: readonly ExchangeRecord[]): void {
  const rows = records.map((record) => {
    const text = encodeExchange(record);
    return { id: record.id, text, head: decodeHead(text) };
  });
  database.raw.exec('BEGIN');
  new ExchangeWriter(database.raw).insert(rows);
  database.raw.exec('COMMIT');
}

/** Three days and some hours of the fourth are summed up; then a few come late for all of them. */
function fill(): void {
  const late = RECORDS.filter((_, index) => index % 29 === 0);
  insert(RECORDS.filter((record) => !late.includes(record)));
  while (sumUpDay(database.raw, MIDNIGHT + 72 * HOUR));
  while (sumUpHour(database.raw, MIDNIGHT + 85 * HOUR));
  insert(late);
}

const NAMES = Object.keys(SPEND_VALUES) as SpendDimension[];
const tagLike = (name: string) => name === 'session' || name.startsWith('tag:');
const PAIRS = NAMES.flatMap((one, index) =>
  NAMES.slice(index + 1).map((other) => [one, other] as const),
).filter(([one, other]) => !(tagLike(one) && tagLike(other)));
const GROUPINGS: (readonly SpendDimension[])[] = [
  [],
  ...NAMES.map((name) => [name]),
  ...PAIRS,
  ['team', 'project', 'model'],
  ['user', 'key', 'model'],
  ['tag:feature', 'model', 'team'],
];

/** The same sums by looking at every record. */
function expected(groupBy: readonly SpendDimension[], interval: 'hour' | 'day' | undefined) {
  const step = interval === 'day' ? 24 * HOUR : HOUR;
  const sums = new Map<string, [number, number, number, number]>();
  for (const record of RECORDS) {
    const values = groupBy.map((name) => SPEND_VALUES[name]?.(record) ?? null);
    const start = interval === undefined ? null : record.startedAt - (record.startedAt % step);
    const name = JSON.stringify([start, ...values]);
    const sum = sums.get(name) ?? [0, 0, 0, 0];
    const unpriced = record.cost === undefined && record.outcome !== 'refused' ? 1 : 0;
    const more = [1, record.cost?.total ?? 0, unpriced, record.outcome === 'answered' ? 0 : 1];
    sums.set(name, sum.map((value, index) => value + (more[index] ?? 0)) as typeof sum);
  }
  return [...sums].map(([name, sum]) => `${name} ${sum.join()}`).sort();
}

test('every grouping by every interval says what a look at every record says, and sums to the same nano-dollars', async () => {
  fill();
  const usage = createUsageStore(database.typed);
  const all = RECORDS.reduce((sum, { cost }) => sum + (cost?.total ?? 0), 0);
  const asked = { from: MIDNIGHT, to: MIDNIGHT + 96 * HOUR };
  for (const groupBy of GROUPINGS) {
    for (const interval of [undefined, 'day', 'hour'] as const) {
      const rows = await usage.spend({ ...asked, groupBy, interval });
      const found = rows.map((row) => {
        const values = groupBy.map((name) => row.group[name] ?? null);
        return `${JSON.stringify([row.start ?? null, ...values])} ${[row.requests, row.costNano, row.unpriced, row.errors].join()}`;
      });
      expect(found.toSorted(), `${groupBy.join()} ${interval}`).toEqual(expected(groupBy, interval));
      expect(rows.reduce((sum, row) => sum + row.costNano, 0)).toBe(all);
    }
  }
});

test('a limit shows the first rows of the whole answer', async () => {
  fill();
  const usage = createUsageStore(database.typed);
  const asked = {
    from: 0,
    to: MIDNIGHT + 999 * HOUR,
    groupBy: ['user', 'model'] as const,
    interval: 'hour',
  } as const;
  const whole = await usage.spend(asked);
  for (const limit of [1, 7, 100]) {
    const rows = await usage.spend({ ...asked, limit });
    expect(rows.map(({ start, costNano }) => [start, costNano])).toEqual(
      whole.slice(0, limit).map(({ start, costNano }) => [start, costNano]),
    );
  }
});

test('two filters find what both let through, also where hours tell that there is nothing', async () => {
  fill();
  const log = createExchangeTexts(database.raw);
  const filters: [string, ExchangeFilter, (record: ExchangeRecord) => boolean][] = [];
  for (let key = 0; key < 7; key += 1) {
    const keyId = `key_${key}`;
    const own = (record: ExchangeRecord) => record.keyId === keyId;
    for (let other = 0; other < 3; other += 1) {
      const model = `model-${other}`;
      filters.push([
        `${keyId} ${model}`,
        { keyId, model },
        (record) => own(record) && record.model === model,
      ]);
      const teamId = `team_${other}`;
      const ofTeam = (record: ExchangeRecord) => record.place?.teamId === teamId;
      filters.push([`${keyId} ${teamId}`, { keyId, teamId }, (record) => own(record) && ofTeam(record)]);
      filters.push([`${teamId} ${model}`, { teamId, model }, (one) => ofTeam(one) && one.model === model]);
      const tag = { name: 'feature', value: `f${other}` };
      const tagged = (record: ExchangeRecord) => record.tags['feature'] === tag.value;
      filters.push([`${keyId} ${tag.value}`, { keyId, tag }, (record) => own(record) && tagged(record)]);
    }
    for (const status of [200, 201, 429]) {
      filters.push([`${keyId} ${status}`, { keyId, status }, (one) => own(one) && one.status === status]);
    }
  }
  for (const [name, filter, passes] of filters) {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await log.list(filter, { limit: 9, cursor });
      found.push(...page.data.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    const wanted = RECORDS.filter(passes).map(({ id }) => id);
    expect(found.toSorted(), name).toEqual(wanted.toSorted());
  }
});
