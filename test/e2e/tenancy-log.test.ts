import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { MIGRATIONS } from '../../src/adapters/sqlite/migrations.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import type { ExchangePlace } from '../../src/core/cost/exchange.ts';
import type { Extent } from '../../src/ports/place-store.ts';
import { exchange, virtualKey } from '../contract/ledger-samples.ts';

// Exchanges by tenant, over a database that was there before there were tenants.

const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };
const OTHER: ExchangePlace = {
  organizationId: 'org_other',
  teamId: 'team_a',
  projectId: undefined,
  ownerId: 'user_a',
};

async function open(directory: string) {
  const journal = openJournal({ directory: `${directory}/journal`, clock: systemClock });
  return openSqlite({ directory, journal, clock: systemClock, log: LOG });
}

test('what was logged before belongs to the default organization, page by page', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-tenancy-'));
  try {
    const first = MIGRATIONS['0001_first'];
    if (first === undefined) throw new Error('the first migration is gone');
    const before = await openDatabase(join(directory, 'sluice.db'), { '0001_first': first });
    const insert = before.raw.prepare(
      'INSERT INTO virtual_keys (id, name, hash, hint, created_at, blocked, limits, metadata) VALUES (?, ?, ?, ?, 1, 0, ?, ?)',
    );
    insert.run('key_old', 'old', 'hash-old', 'abcd', '{}', '{}');
    before.raw.close();
    // Rows as the first version wrote them: no place, no posting of an organization.
    const { store: old, ledger: oldLedger } = await open(directory);
    for (let at = 0; at < 5; at += 1)
      await oldLedger.settle(exchange(`exc_old_${at}`, { startedAt: 1_000_000 + at }));
    await oldLedger.close();
    await old.close();
    const raw = new DatabaseSync(join(directory, 'sluice.db'));
    raw.exec("DELETE FROM postings WHERE facet LIKE 'o:%'");
    raw.exec('UPDATE log_tenancy SET legacy_through = (SELECT max(seq) FROM exchanges)');
    raw.close();

    const { store, ledger } = await open(directory);
    expect((await store.keys.get('key_old'))?.organizationId).toBe('org_default');
    await store.keys.insert(virtualKey('key_a', { organizationId: 'org_other', teamId: 'team_a' }));
    for (let at = 0; at < 6; at += 1) {
      const place = at % 2 === 0 ? OTHER : undefined;
      const keyId = place === undefined ? 'key_old' : 'key_a';
      await ledger.settle(exchange(`exc_new_${at}`, { startedAt: 90_000_000 + at * 60_000, place, keyId }));
    }
    await ledger.flush();
    const pages = async (extent: Extent) => {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.exchanges.list({ extent }, { limit: 2, cursor });
        seen.push(...page.data.map(({ id }) => id));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return seen;
    };
    const theirs = ['exc_new_4', 'exc_new_2', 'exc_new_0'];
    const legacy = [4, 3, 2, 1, 0].map((at) => `exc_old_${at}`);
    expect(await pages({ tenant: { organizationId: 'org_default' } })).toEqual([
      'exc_new_5',
      'exc_new_3',
      'exc_new_1',
      ...legacy,
    ]);
    const other = { organizationId: 'org_other' };
    expect(await pages({ tenant: other })).toEqual(theirs);
    expect(await pages({ tenant: 'every' })).toHaveLength(11);
    const within = (teamIds: readonly string[], ownerId?: string) =>
      pages({ tenant: other, within: { teamIds, ownerId } });
    expect(await within(['team_a', 'team_b'], 'user_a')).toEqual(theirs);
    expect(await within([], 'user_a')).toEqual(theirs);
    expect(await within(['team_b'], 'user_b')).toEqual([]);
    expect(await within([])).toEqual([]);
    // A team of that name in another organization is another team.
    expect(
      await pages({
        tenant: { organizationId: 'org_third' },
        within: { teamIds: ['team_a'], ownerId: undefined },
      }),
    ).toEqual([]);
    const spent = await store.usage.spend({
      from: 0,
      to: 200_000_000,
      groupBy: ['key'],
      extent: { tenant: other },
    });
    expect(spent.map(({ group }) => group['key'])).toEqual(['key_a']);
    await ledger.close();
    await store.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
