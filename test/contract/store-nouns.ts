import { expect, test } from 'vitest';
import type { AuditRecord } from '../../src/ports/audit-store.ts';
import type { KeySlice, Store } from '../../src/ports/store.ts';
import { NOON, virtualKey } from './ledger-samples.ts';

/** Virtual keys, as every store must keep them. */
export function keyTests(store: () => Store): void {
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
      const page = await store().keys.list({ limit: 3, cursor }, { tenant: 'every' });
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
    expect((await store().keys.list({ limit: 10 }, { tenant: 'every' })).data.map((key) => key.id)).toEqual([
      'key_b',
    ]);
    expect((await store().keys.active({ limit: 9 })).map((key) => key.id)).toEqual(['key_b']);
    expect((await store().keys.get('key_a'))?.revokedAt).toBe(NOON);
  });

  test('the active ones come by id, in slices, all or by the beginning of their ids', async () => {
    for (const id of ['key_b', 'file_é', 'key_a', 'file_', 'key_c', 'filf']) {
      await store().keys.insert(virtualKey(id, { metadata: { team: 'one' } }));
    }
    const ids = async (slice: KeySlice) => (await store().keys.active(slice)).map(({ id }) => id);
    expect(await ids({ limit: 4 })).toEqual(['file_', 'file_é', 'filf', 'key_a']);
    expect(await ids({ limit: 4, after: 'key_a' })).toEqual(['key_b', 'key_c']);
    expect(await ids({ limit: 4, prefix: 'file_' })).toEqual(['file_', 'file_é']);
    expect(await ids({ limit: 4, prefix: 'file_', after: 'file_' })).toEqual(['file_é']);
    expect((await store().keys.active({ limit: 9 }))[0]).toEqual(await store().keys.get('file_'));
  });

  test.each(['', 'x', "1~a' OR 1=1", '1~'])('the cursor %j is refused', async (cursor) => {
    const listed = store().keys.list({ limit: 3, cursor }, { tenant: 'every' });
    await expect(listed).rejects.toThrowError(expect.objectContaining({ code: 'bad_request' }));
  });

  test.each([0, 501, 1.5])('the limit %d is refused', async (limit) => {
    const listed = store().keys.list({ limit }, { tenant: 'every' });
    await expect(listed).rejects.toThrowError(expect.objectContaining({ code: 'bad_request' }));
  });
}

/** Prices, settings and the audit log. */
export function smallTests(store: () => Store): void {
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
