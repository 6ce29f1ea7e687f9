import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { AuditRecord, ExchangeFilter, Store } from '../../src/ports/store.ts';
import { exchange, hold, NOON, virtualKey } from './ledger-samples.ts';

const HOUR = 3_600_000;

/** A store under test, with the ledger that feeds it. `dispose` closes both and cleans up. */
export interface StoreUnderTest {
  readonly store: Store;
  readonly ledger: Ledger;
  dispose(): Promise<void>;
}

/** What every implementation of the `Store` port must do. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store's contract`, () => {
    let subject: StoreUnderTest;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.dispose());

    keyTests(() => subject.store);
    exchangeTests(() => subject);
    usageTests(() => subject);
    smallTests(() => subject.store);
  });
}

function keyTests(store: () => Store): void {
  test('a key comes back as it was put in', async () => {
    const key = virtualKey('key_a', {
      models: ['gpt-*'],
      limits: { rpm: 5, tpm: 100, concurrency: 2 },
      budget: { limitNano: 9_007_199_254_740_991, window: 'month', action: 'block' },
      metadata: { cost_centre: '42' },
      expiresAt: NOON + 1,
      previousHash: 'old',
      previousHashExpiresAt: NOON + 2,
      blocked: true,
      teamId: 'team',
    });
    await store().keys.insert(key);
    expect(await store().keys.get('key_a')).toEqual(key);
    expect(await store().keys.get('key_b')).toBeUndefined();
  });

  test('the same id or hash twice is a conflict', async () => {
    await store().keys.insert(virtualKey('key_a'));
    const conflict = expect.objectContaining({ code: 'conflict' });
    await expect(store().keys.insert(virtualKey('key_a', { hash: 'other' }))).rejects.toThrowError(conflict);
    await expect(store().keys.insert(virtualKey('key_b', { hash: 'hash-key_a' }))).rejects.toThrowError(
      conflict,
    );
  });

  test('keys are listed newest first, page by page, each once', async () => {
    for (let index = 0; index < 7; index += 1) {
      await store().keys.insert(virtualKey(`key_${index}`, { createdAt: NOON + Math.floor(index / 2) }));
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store().keys.list({ limit: 3, cursor });
      seen.push(...page.data.map((key) => key.id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(['key_6', 'key_5', 'key_4', 'key_3', 'key_2', 'key_1', 'key_0']);
  });

  test('a change touches only what it names, and can clear', async () => {
    await store().keys.insert(virtualKey('key_a', { models: ['x'], expiresAt: NOON }));
    const changed = await store().keys.update('key_a', { blocked: true, models: undefined });
    expect(changed).toEqual(virtualKey('key_a', { blocked: true, expiresAt: NOON }));
    expect(await store().keys.get('key_a')).toEqual(changed);
    const missing = store().keys.update('key_z', { blocked: true });
    await expect(missing).rejects.toThrowError(expect.objectContaining({ code: 'not_found' }));
  });

  test('a revoked key is neither listed nor active, yet found by id', async () => {
    await store().keys.insert(virtualKey('key_a'));
    await store().keys.insert(virtualKey('key_b', { blocked: true }));
    await store().keys.update('key_a', { revokedAt: NOON });
    expect((await store().keys.list({ limit: 10 })).data.map((key) => key.id)).toEqual(['key_b']);
    expect((await store().keys.active()).map((key) => key.id)).toEqual(['key_b']);
    expect((await store().keys.get('key_a'))?.revokedAt).toBe(NOON);
  });

  test.each(['', 'x', "1~a' OR 1=1", '1~'])('the cursor %j is refused', async (cursor) => {
    const listed = store().keys.list({ limit: 3, cursor });
    await expect(listed).rejects.toThrowError(expect.objectContaining({ code: 'bad_request' }));
  });

  test.each([0, 501, 1.5])('the limit %d is refused', async (limit) => {
    const listed = store().keys.list({ limit });
    await expect(listed).rejects.toThrowError(expect.objectContaining({ code: 'bad_request' }));
  });
}

function exchangeTests(subject: () => StoreUnderTest): void {
  const ids = async (filter: ExchangeFilter, limit = 100) =>
    (await subject().store.exchanges.list(filter, { limit })).data.map((record) => record.id);

  test('a settled exchange is there after a flush, complete', async () => {
    const { store, ledger } = subject();
    const record = exchange('exc_1', {
      tags: { feature: 'chat' },
      receipt: '{"tier":"easy"}',
      metadata: '{"ö":1}',
    });
    await ledger.hold(hold('exc_1'));
    await ledger.settle(record);
    await ledger.flush();
    expect(await store.exchanges.get('exc_1')).toEqual(record);
    expect(await store.exchanges.get('exc_2')).toBeUndefined();
  });

  test('a hold alone is no exchange', async () => {
    const { ledger } = subject();
    await ledger.hold(hold('exc_1'));
    await ledger.flush();
    expect(await ids({})).toEqual([]);
  });

  test('an exchange settled twice is logged and charged once', async () => {
    const { store, ledger } = subject();
    await ledger.settle(exchange('exc_1'));
    await ledger.settle(exchange('exc_1'));
    await ledger.flush();
    await ledger.settle(exchange('exc_1'));
    await ledger.flush();
    expect(await ids({})).toEqual(['exc_1']);
    expect((await store.usage.total({ keyId: 'key_1' }, 0)).costNano).toBe(1000);
  });

  test('every filter holds, alone and with others', async () => {
    const { ledger } = subject();
    const records = [
      exchange('exc_0', { startedAt: NOON }),
      exchange('exc_1', { startedAt: NOON + 1, keyId: 'key_2', model: "o'neil", tags: { env: 'prod' } }),
      exchange('exc_2', { startedAt: NOON + 2, provider: undefined, status: 429, outcome: 'refused' }),
      exchange('exc_3', {
        startedAt: NOON + 3,
        clientRequestId: 'req-7',
        tags: { env: 'dev', feature: 'x' },
      }),
      exchange('exc_4', { startedAt: NOON + 4, tags: { env: 'prod' } }),
    ];
    await Promise.all(records.map((record) => ledger.settle(record)));
    await ledger.flush();
    expect(await ids({})).toEqual(['exc_4', 'exc_3', 'exc_2', 'exc_1', 'exc_0']);
    expect(await ids({ keyId: 'key_2' })).toEqual(['exc_1']);
    expect(await ids({ model: "o'neil" })).toEqual(['exc_1']);
    expect(await ids({ model: "' OR 1=1 --" })).toEqual([]);
    expect(await ids({ provider: 'openai' })).toEqual(['exc_4', 'exc_3', 'exc_1', 'exc_0']);
    expect(await ids({ status: 429 })).toEqual(['exc_2']);
    expect(await ids({ status: 200, keyId: 'key_1' })).toEqual(['exc_4', 'exc_3', 'exc_0']);
    expect(await ids({ clientRequestId: 'req-7' })).toEqual(['exc_3']);
    expect(await ids({ tag: { name: 'env', value: 'prod' } })).toEqual(['exc_4', 'exc_1']);
    expect(await ids({ tag: { name: 'env' } })).toEqual(['exc_4', 'exc_3', 'exc_1']);
    expect(await ids({ tag: { name: 'env', value: 'prod' }, keyId: 'key_1' })).toEqual(['exc_4']);
    expect(await ids({ tag: { name: 'env', value: 'prod' }, to: NOON + 4 })).toEqual(['exc_1']);
    expect(await ids({ from: NOON + 1, to: NOON + 3 })).toEqual(['exc_2', 'exc_1']);
  });

  test('pages join without gap or repetition, also by tag and at equal times', async () => {
    const { store, ledger } = subject();
    const records = Array.from({ length: 11 }, (_, index) =>
      exchange(`exc_${index}`, { startedAt: NOON + Math.floor(index / 4), tags: { env: 'prod' } }),
    );
    await Promise.all(records.map((record) => ledger.settle(record)));
    await ledger.flush();
    for (const filter of [{}, { tag: { name: 'env', value: 'prod' } }]) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.exchanges.list(filter, { limit: 4, cursor });
        seen.push(...page.data.map((record) => record.id));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(records.map((record) => record.id).reverse());
    }
  });

  test('pruning deletes the oldest by age and by size, and no totals', async () => {
    const { store, ledger } = subject();
    const records = Array.from({ length: 1200 }, (_, index) =>
      exchange(`exc_${index}`, { startedAt: NOON + index, tags: { n: String(index % 3) } }),
    );
    await Promise.all(records.map((record) => ledger.settle(record)));
    await ledger.flush();
    expect(await store.exchanges.prune({ before: NOON + 1100 })).toBe(1100);
    expect(await ids({ tag: { name: 'n', value: '0' }, to: NOON + 1100 })).toEqual([]);
    const left = await ids({}, 500);
    expect(left).toHaveLength(100);
    const size = JSON.stringify(records[0]).length;
    await store.exchanges.prune({ maxBytes: size * 20 });
    const kept = await ids({}, 500);
    expect(kept.length).toBeGreaterThan(5);
    expect(kept.length).toBeLessThanOrEqual(20);
    expect(kept).toEqual(left.slice(0, kept.length));
    expect((await store.usage.total({}, 0)).requests).toBe(1200);
    expect(await store.exchanges.prune({ before: NOON, maxBytes: size * 100 })).toBe(0);
  });
}

function usageTests(subject: () => StoreUnderTest): void {
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
      [null, 1, 0],
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

function smallTests(store: () => Store): void {
  test('prices are put, replaced, listed and deleted', async () => {
    const { prices } = store();
    const rates = {
      input: 1,
      cacheRead: 1,
      cacheWrite5m: 1,
      cacheWrite1h: 1,
      output: 2,
      audioInput: 1,
      audioOutput: 2,
    };
    const price = { ...rates, image: 0, request: 0, tiers: [] };
    await prices.put({ model: 'b', price, updatedAt: NOON });
    await prices.put({ model: 'a', price, updatedAt: NOON });
    await prices.put({ model: 'b', price: { ...price, input: 7 }, updatedAt: NOON + 1 });
    expect(await prices.list()).toEqual([
      { model: 'a', price, updatedAt: NOON },
      { model: 'b', price: { ...price, input: 7 }, updatedAt: NOON + 1 },
    ]);
    expect(await prices.delete('a')).toBe(true);
    expect(await prices.delete('a')).toBe(false);
  });

  test('settings are found by name and by prefix, and expire', async () => {
    const { settings } = store();
    const setting = (name: string, expiresAt?: number) => ({
      name,
      value: `v-${name}`,
      updatedAt: NOON,
      expiresAt,
    });
    await settings.put(setting('session/a', NOON + 1));
    await settings.put(setting('session/b', NOON + 5));
    await settings.put(setting('session_c'));
    await settings.put({ ...setting('session/b', NOON + 5), value: 'new' });
    expect(await settings.get('session/b')).toEqual({ ...setting('session/b', NOON + 5), value: 'new' });
    expect((await settings.list('session/')).map(({ name }) => name)).toEqual(['session/a', 'session/b']);
    expect(await settings.list('session%')).toEqual([]);
    expect(await settings.deleteExpired(NOON + 1)).toBe(1);
    expect(await settings.get('session/a')).toBeUndefined();
    expect(await settings.delete('session_c')).toBe(true);
    expect(await settings.delete('session_c')).toBe(false);
  });

  test('the audit log takes only what follows its head', async () => {
    const { audit } = store();
    const record = (sequence: number): AuditRecord => ({
      sequence,
      at: NOON,
      actor: 'admin',
      action: 'keys.create',
      target: 'key_1',
      details: '{}',
      previousHash: sequence === 1 ? '' : `h${sequence - 1}`,
      hash: `h${sequence}`,
    });
    const conflict = expect.objectContaining({ code: 'conflict' });
    expect(await audit.head()).toBeUndefined();
    await expect(audit.append(record(2))).rejects.toThrowError(conflict);
    for (const sequence of [1, 2, 3]) await audit.append(record(sequence));
    await expect(audit.append(record(3))).rejects.toThrowError(conflict);
    await expect(audit.append({ ...record(4), previousHash: 'forged' })).rejects.toThrowError(conflict);
    expect(await audit.head()).toEqual(record(3));
    const page = await audit.list({ limit: 2 });
    expect(page.data.map(({ sequence }) => sequence)).toEqual([3, 2]);
    const rest = await audit.list({ limit: 2, cursor: page.nextCursor });
    expect(rest).toEqual({ data: [record(1)] });
    expect((await audit.after(1, 10)).map(({ sequence }) => sequence)).toEqual([2, 3]);
  });

  test('of many equal audit records at once one is taken', async () => {
    const { audit } = store();
    const first = {
      sequence: 1,
      at: 0,
      actor: 'a',
      action: 'b',
      target: 'c',
      details: '{}',
      previousHash: '',
    };
    const tries = Array.from({ length: 20 }, (_, index) => audit.append({ ...first, hash: `h${index}` }));
    const results = await Promise.allSettled(tries);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
}
