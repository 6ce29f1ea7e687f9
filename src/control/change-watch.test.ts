import { expect, test } from 'vitest';
import { BudgetBook } from '../core/policy/budget.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { AllPlaces, PlaceChanges } from '../ports/place-store.ts';
import type { Store } from '../ports/store.ts';
import { ChangeWatch } from './change-watch.ts';
import { KeyDirectory } from './key-directory.ts';
import { PlaceDirectory } from './place-directory.ts';

function keyOf(id: string, change: Partial<VirtualKey> = {}): VirtualKey {
  return {
    id,
    name: id,
    hash: `hash ${id}`,
    hint: '',
    previousHash: undefined,
    previousHashExpiresAt: undefined,
    createdAt: 0,
    expiresAt: undefined,
    blocked: false,
    revokedAt: undefined,
    organizationId: 'org_default',
    teamId: undefined,
    projectId: undefined,
    userId: undefined,
    serviceAccountId: undefined,
    models: undefined,
    policy: {},
    limitedBy: [],
    rotation: undefined,
    limits: {},
    budget: undefined,
    metadata: {},
    ...change,
  };
}

const NOTHING: AllPlaces = {
  organization: [],
  team: [],
  project: [],
  user: [],
  service_account: [],
  membership: [],
  role: [],
};

/** A store in which the test changes keys, and which it can take away. */
function world() {
  const keys = new Map<string, VirtualKey>();
  const changed: string[] = [];
  const state = { down: false, reads: 0 };
  const answer = async <T>(value: T): Promise<T> => {
    if (state.down) throw new Error('the disk is gone');
    return value;
  };
  const store = {
    keys: {
      active: () => {
        state.reads += 1;
        return answer([...keys.values()].filter(({ revokedAt }) => revokedAt === undefined));
      },
      get: (id: string) => answer(keys.get(id)),
    },
    places: {
      all: () => answer(NOTHING),
      changesSince: (version: number): Promise<PlaceChanges> =>
        answer({
          version: changed.length,
          keys: version < 0 ? [] : changed.slice(version),
          places: false,
          budgets: false,
          prices: false,
          everything: version < 0,
        }),
    },
    budgets: { begin: () => answer([]) },
    usage: { totalsByKey: () => answer(new Map()) },
  } as unknown as Store;
  let wake: () => void = () => undefined;
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_ms: number, callback: () => void) => {
      wake = callback;
      return () => undefined;
    },
  };
  const logged: string[] = [];
  const write = (event: string) => void logged.push(event);
  const places = new PlaceDirectory(store.places);
  const directory = new KeyDirectory({ store, clock, places, book: new BudgetBook() });
  const ports = { store, clock, places, directory, log: { info: write, warn: write, error: write } };
  const put = (key: VirtualKey) => {
    keys.set(key.id, key);
    changed.push(key.id);
  };
  const poll = async () => {
    wake();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { put, poll, ports, directory, logged, state };
}

test('takes over single keys without reading all of them again', async () => {
  const { put, poll, ports, directory, state } = world();
  put(keyOf('a'));
  put(keyOf('b'));
  const watch = await ChangeWatch.open(ports);
  expect([directory.snapshot().size, state.reads]).toEqual([2, 1]);
  put(keyOf('a', { revokedAt: 1 }));
  put(keyOf('b', { blocked: true }));
  await poll();
  expect(directory.snapshot().find('hash a')).toBeUndefined();
  expect(directory.snapshot().find('hash b')?.entry.key.blocked).toBe(true);
  expect(state.reads).toBe(1);
  watch.close();
});

test('a storage that is down turns no good key into an unknown one, and is caught up with later', async () => {
  const { put, poll, ports, directory, logged, state } = world();
  put(keyOf('a'));
  const watch = await ChangeWatch.open(ports);
  state.down = true;
  put(keyOf('a', { blocked: true }));
  await poll();
  await poll();
  expect(directory.snapshot().find('hash a')?.entry.key.blocked).toBe(false);
  expect(logged).toEqual(['identity.refresh_failed']);
  state.down = false;
  await poll();
  expect(directory.snapshot().find('hash a')?.entry.key.blocked).toBe(true);
  watch.close();
});
