import { expect, test } from 'vitest';
import {
  DEFAULT_ORGANIZATION_ID,
  type Organization,
  type Team,
  type User,
} from '../../src/core/policy/place.ts';
import type { Store } from '../../src/ports/store.ts';
import { NOON, virtualKey } from './ledger-samples.ts';

const OURS = { organizationId: 'org_a' };
const conflict = expect.objectContaining({ code: 'conflict' });

function organization(id: string): Organization {
  return { id, name: id, blocked: false, policy: { regions: ['eu'] }, metadata: {}, createdAt: NOON };
}

function team(id: string, change: Partial<Team> = {}): Team {
  return {
    id,
    organizationId: 'org_a',
    name: id,
    blocked: false,
    policy: { models: ['gpt-*'], limits: { rpm: 5 } },
    metadata: { floor: '3' },
    createdAt: NOON,
    ...change,
  };
}

function user(id: string, change: Partial<User> = {}): User {
  return {
    id,
    organizationId: 'org_a',
    name: id,
    email: undefined,
    externalId: undefined,
    disabled: false,
    deletedAt: undefined,
    policy: {},
    limitedBy: [],
    metadata: {},
    createdAt: NOON,
    ...change,
  };
}

/** Organizations and what they hold, as every store must keep them. */
export function placeTests(store: () => Store): void {
  const two = async () => {
    for (const id of ['org_a', 'org_b'])
      await store().places.insert('organization', 'every', organization(id));
  };

  test('a place comes back as it was put in, to its own tenant only', async () => {
    await two();
    const { places } = store();
    await places.insert('team', OURS, team('team_1'));
    expect(await places.get('team', OURS, 'team_1')).toEqual(team('team_1'));
    expect(await places.get('team', 'every', 'team_1')).toEqual(team('team_1'));
    const foreign = { organizationId: 'org_b' };
    expect(await places.get('team', foreign, 'team_1')).toBeUndefined();
    expect(await places.remove('team', foreign, 'team_1')).toBe(false);
    const stolen = places.update('team', foreign, { id: 'team_1', change: { name: 'mine' } });
    await expect(stolen).rejects.toThrowError(expect.objectContaining({ code: 'not_found' }));
    await expect(places.insert('team', foreign, team('team_2'))).rejects.toThrowError(
      expect.objectContaining({ code: 'forbidden' }),
    );
    expect((await places.list('team', foreign, { page: { limit: 10 } })).data).toEqual([]);
    expect(await places.get('organization', foreign, 'org_a')).toBeUndefined();
    expect(await places.get('team', OURS, 'team_1')).toEqual(team('team_1'));
  });

  test('names and addresses are used once in an organization, and nothing points at what is not there', async () => {
    await two();
    const { places } = store();
    await places.insert('team', OURS, team('team_1', { name: 'search' }));
    await expect(places.insert('team', OURS, team('team_2', { name: 'search' }))).rejects.toThrowError(
      conflict,
    );
    await places.insert('team', 'every', team('team_3', { name: 'search', organizationId: 'org_b' }));
    await places.insert('user', OURS, user('user_1', { email: 'ada@example.com' }));
    await expect(
      places.insert('user', OURS, user('user_2', { email: 'ada@example.com' })),
    ).rejects.toThrowError(conflict);
    await places.insert('user', OURS, user('user_3'));
    await places.insert('user', OURS, user('user_4'));
    const lost = team('team_4', { organizationId: 'org_none' });
    await expect(places.insert('team', 'every', lost)).rejects.toThrowError(conflict);
    await expect(places.remove('organization', 'every', 'org_a')).rejects.toThrowError(conflict);
    const membership = {
      id: 'mem_1',
      organizationId: 'org_a',
      userId: 'user_1',
      teamId: undefined,
      role: 'member',
      source: 'manual',
      createdAt: NOON,
    };
    await places.insert('membership', OURS, membership);
    await expect(places.insert('membership', OURS, { ...membership, id: 'mem_2' })).rejects.toThrowError(
      conflict,
    );
    await expect(places.remove('user', OURS, 'user_1')).rejects.toThrowError(conflict);
  });

  test('lists go newest first, page by page, without deleted users', async () => {
    await two();
    const { places } = store();
    for (let at = 0; at < 5; at += 1)
      await places.insert('user', OURS, user(`user_${at}`, { createdAt: NOON + at }));
    await places.update('user', OURS, { id: 'user_3', change: { deletedAt: NOON } });
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await places.list('user', OURS, { page: { limit: 2, cursor } });
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(['user_4', 'user_2', 'user_1', 'user_0']);
    const some = await places.list('user', OURS, {
      page: { limit: 9 },
      filter: { ids: ['user_1', 'user_3'] },
    });
    expect(some.data.map(({ id }) => id)).toEqual(['user_1']);
    expect((await places.all()).user).toHaveLength(5);
  });

  test('a change with undefined clears, and what is not named stays', async () => {
    await two();
    const { places } = store();
    await places.insert('user', OURS, user('user_1', { email: 'a@example.com', externalId: 'x' }));
    const changed = await places.update('user', OURS, {
      id: 'user_1',
      change: { email: undefined, disabled: true },
    });
    expect(changed).toEqual(user('user_1', { externalId: 'x', disabled: true }));
  });

  test('a sign-in is found by issuer and subject', async () => {
    await two();
    const { places } = store();
    await places.insert('user', OURS, user('user_1'));
    const identity = {
      id: 'idn_1',
      organizationId: 'org_a',
      userId: 'user_1',
      issuer: 'local',
      subject: 'ada@example.com',
      passwordHash: 'hash',
      totpSecret: undefined,
      disabled: false,
      lastUsedAt: undefined,
      createdAt: NOON,
    };
    await places.insert('identity', OURS, identity);
    expect(await places.findIdentity('local', 'ada@example.com')).toEqual(identity);
    expect(await places.findIdentity('other', 'ada@example.com')).toBeUndefined();
  });

  test('tells what changed since a version', async () => {
    await two();
    const { places, keys } = store();
    const start = await places.changesSince(-1);
    expect(start.everything).toBe(true);
    expect(await places.changesSince(start.version)).toMatchObject({
      keys: [],
      places: false,
      everything: false,
    });
    await keys.insert(virtualKey('key_a', { organizationId: DEFAULT_ORGANIZATION_ID }));
    await keys.update('key_a', { blocked: true });
    const next = await places.changesSince(start.version);
    expect(next).toMatchObject({ keys: ['key_a'], places: false, everything: false });
    await places.insert('team', OURS, team('team_1'));
    await places.remove('team', OURS, 'team_1');
    expect(await places.changesSince(next.version)).toMatchObject({
      keys: [],
      places: true,
      everything: false,
    });
    expect((await places.changesSince(next.version + 1_000_000)).everything).toBe(true);
  });

  test('a key is changed only while it is as expected', async () => {
    await store().keys.insert(virtualKey('key_a'));
    const { keys } = store();
    await expect(keys.update('key_a', { hash: 'new' }, { hash: 'another' })).rejects.toThrowError(conflict);
    expect((await keys.update('key_a', { hash: 'new' }, { hash: 'hash-key_a' })).hash).toBe('new');
    const rotation = { everyS: 60, overlapS: 1, nextAt: NOON, unclaimed: 'sealed' };
    await keys.update('key_a', { rotation });
    const claim = () =>
      keys.update('key_a', { rotation: { ...rotation, unclaimed: undefined } }, { unclaimed: 'sealed' });
    expect((await claim()).rotation).toEqual({ ...rotation, unclaimed: undefined });
    await expect(claim()).rejects.toThrowError(conflict);
  });
}
