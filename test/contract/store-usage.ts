import { expect, test } from 'vitest';
import { exchange, NOON, type StoreUnderTest } from './ledger-samples.ts';

const HOUR = 3_600_000;

/** Spend, as every store must sum it. */
export function usageTests(subject: () => StoreUnderTest): void {
  async function settleSome(): Promise<void> {
    const { ledger } = subject();
    const records = [
      exchange('exc_0', { startedAt: NOON, tags: { feature: 'a' } }),
      exchange('exc_1', { startedAt: NOON + HOUR, tags: { feature: 'b', env: 'prod' }, user: 'ann' }),
      exchange('exc_2', {
        startedAt: NOON + HOUR + 5,
        model: 'claude',
        provider: 'anthropic',
        keyId: 'key_2',
      }),
      exchange('exc_3', { startedAt: NOON + 24 * HOUR, tags: { feature: 'a' } }),
      exchange('exc_4', {
        startedAt: NOON,
        status: 404,
        outcome: 'refused',
        error: 'model_not_found',
        model: 'zz',
        cost: undefined,
        provider: undefined,
      }),
    ];
    await Promise.all(records.map((record) => ledger.settle(record)));
    await ledger.flush();
  }
  const all = { from: 0, to: NOON + 1000 * HOUR };

  test('spend is grouped by any dimension', async () => {
    await settleSome();
    const { usage } = subject().store;
    const by = async (...groupBy: Parameters<typeof usage.spend>[0]['groupBy'][number][]) =>
      (await usage.spend({ ...all, groupBy })).map((row) => [
        ...Object.values(row.group),
        row.requests,
        row.costNano,
      ]);
    expect(await by('model')).toEqual([
      ['gpt-4o', 3, 3000],
      ['claude', 1, 1000],
      ['(unknown model)', 1, 0],
    ]);
    expect(await by('key')).toEqual([
      ['key_1', 4, 3000],
      ['key_2', 1, 1000],
    ]);
    expect(await by('user')).toEqual([
      [null, 4, 3000],
      ['ann', 1, 1000],
    ]);
    expect(await by('tag:feature')).toEqual([
      ['a', 2, 2000],
      [null, 2, 1000],
      ['b', 1, 1000],
    ]);
    expect(await by('tag:feature', 'provider')).toEqual([
      ['a', 'openai', 2, 2000],
      ['b', 'openai', 1, 1000],
      [null, 'anthropic', 1, 1000],
      [null, null, 1, 0],
    ]);
  });

  test('spend is laid out by hour and by day', async () => {
    await settleSome();
    const { usage } = subject().store;
    const hours = await usage.spend({ ...all, groupBy: [], interval: 'hour' });
    expect(hours.map((row) => [row.start, row.requests])).toEqual([
      [NOON, 2],
      [NOON + HOUR, 2],
      [NOON + 24 * HOUR, 1],
    ]);
    const days = await usage.spend({ ...all, groupBy: [], interval: 'day' });
    expect(days.map((row) => [row.start, row.requests])).toEqual([
      [NOON - 12 * HOUR, 4],
      [NOON + 12 * HOUR, 1],
    ]);
    const tagged = await usage.spend({ ...all, groupBy: ['tag:feature'], interval: 'day' });
    const rows = tagged.map((row) => [row.start, row.group['tag:feature'], row.requests]);
    // Equal costs come in any order.
    expect(new Set(rows)).toEqual(
      new Set([
        [NOON - 12 * HOUR, 'a', 1],
        [NOON - 12 * HOUR, 'b', 1],
        [NOON - 12 * HOUR, null, 2],
        [NOON + 12 * HOUR, 'a', 1],
      ]),
    );
  });

  test('a row adds up every class', async () => {
    await settleSome();
    const rows = await subject().store.usage.spend({
      from: NOON,
      to: NOON + HOUR,
      groupBy: [],
      keyId: 'key_1',
    });
    expect(rows).toEqual([
      {
        group: {},
        requests: 2,
        errors: 1,
        costNano: 1000,
        inputTokens: 200,
        cacheReadTokens: 40,
        cacheWriteTokens: 14,
        outputTokens: 100,
        latencyMs: 240,
        unpriced: 0,
        refused: 1,
        abandoned: 0,
      },
    ]);
  });

  test('no exchanges, no rows; totals are zero', async () => {
    const { usage } = subject().store;
    expect(await usage.spend({ ...all, groupBy: [] })).toEqual([]);
    expect((await usage.total({ keyId: 'nobody' }, 0)).costNano).toBe(0);
  });

  test('totals are told apart by scope and begin at an hour', async () => {
    await settleSome();
    const { usage } = subject().store;
    expect((await usage.total({ keyId: 'key_1' }, 0)).costNano).toBe(3000);
    expect((await usage.total({ keyId: 'key_1' }, NOON + HOUR + 1)).costNano).toBe(2000);
    expect((await usage.total({ tag: { name: 'feature', value: 'a' } }, 0)).costNano).toBe(2000);
    expect((await usage.total({ model: 'claude', provider: 'anthropic' }, 0)).requests).toBe(1);
    expect((await usage.total({ user: 'ann' }, 0)).requests).toBe(1);
    expect(await usage.totalsByKey(0)).toEqual(
      new Map([
        ['key_1', 3000],
        ['key_2', 1000],
      ]),
    );
  });

  test('sums beyond 2^53 do not fail', async () => {
    const { store, ledger } = subject();
    const most = { ...exchange('exc_0').cost!, total: Number.MAX_SAFE_INTEGER };
    await ledger.settle(exchange('exc_0', { cost: most }));
    await ledger.settle(exchange('exc_1', { cost: most }));
    await ledger.flush();
    expect((await store.usage.total({}, 0)).costNano).toBe(Number.MAX_SAFE_INTEGER * 2);
  });

  test('two tags at once are refused', async () => {
    const asked = subject().store.usage.spend({ ...all, groupBy: ['tag:a', 'tag:b'] });
    await expect(asked).rejects.toThrowError(expect.objectContaining({ code: 'bad_request' }));
  });
}
