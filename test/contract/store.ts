import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ExchangeFilter } from '../../src/ports/store.ts';
import { exchange, hold, NOON, type StoreUnderTest } from './ledger-samples.ts';
import { keyTests, smallTests } from './store-nouns.ts';
import { placeTests } from './store-places.ts';
import { usageTests } from './store-usage.ts';

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
    placeTests(() => subject.store);
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
    // A store may keep a record in fewer bytes than its JSON, yet hardly in a quarter of them.
    const size = JSON.stringify(records[0]).length;
    await store.exchanges.prune({ maxBytes: size * 20 });
    const kept = await ids({}, 500);
    expect(kept.length).toBeGreaterThan(5);
    expect(kept.length).toBeLessThanOrEqual(80);
    expect(kept).toEqual(left.slice(0, kept.length));
    expect((await store.usage.total({}, 0)).requests).toBe(1200);
    expect(await store.exchanges.prune({ before: NOON, maxBytes: size * 100 })).toBe(0);
  });
}
