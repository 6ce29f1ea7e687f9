import { expect, test } from 'vitest';
import { virtualKey } from '../../test/contract/ledger-samples.ts';
import { BudgetBook } from '../core/policy/budget.ts';
import { DEFAULT_ORGANIZATION_ID, type Organization } from '../core/policy/place.ts';
import { NO_PLACES } from '../core/policy/policy-snapshot.ts';
import type { Store } from '../ports/store.ts';
import { KeyDirectory } from './key-directory.ts';

test('a new load goes by what places say now', async () => {
  const organization = (models: string[]): Organization => ({
    id: DEFAULT_ORGANIZATION_ID,
    name: 'home',
    blocked: false,
    policy: { models },
    metadata: {},
    createdAt: 0,
  });
  const organizations = new Map([[DEFAULT_ORGANIZATION_ID, organization(['old'])]]);
  const store = {
    keys: { active: () => Promise.resolve([virtualKey('a', { hash: 'h', models: undefined })]) },
  } as unknown as Store;
  const clock = { now: () => 0, monotonic: () => 0, after: () => () => undefined };
  const places = { ...NO_PLACES, organizations };
  const directory = new KeyDirectory({ store, clock, book: new BudgetBook(), places });
  const policy = () => JSON.stringify(directory.snapshot().find('h')?.entry.policy);
  await directory.load();
  expect(policy()).toContain('old');
  organizations.set(DEFAULT_ORGANIZATION_ID, organization(['new']));
  await directory.load();
  expect(policy()).toContain('new');
});
