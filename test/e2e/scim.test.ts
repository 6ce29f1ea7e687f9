import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made, signIn } from '../support/identity.ts';

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

let gateway: TestGateway;
let directory: ApiUser;
let foreign: ApiUser;

async function scimToken(organization?: string): Promise<ApiUser> {
  const input = {
    name: 'directory',
    ...(organization === undefined ? {} : { organization_id: organization }),
  };
  return apiUser(`${gateway.url}/scim/v2`, (await made(admin(gateway), '/api/scim-tokens', input)).token);
}

beforeAll(async () => {
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
teams:
  - { id: search, name: Search }
sign_in:
  scim:
    groups:
      - { group: Engineers, role: member, team_id: search }
      - { group: Bosses, role: admin }
`,
  });
  const other = await made(admin(gateway), '/api/organizations', { name: 'Other' });
  directory = await scimToken();
  foreign = await scimToken(other.id);
});

afterAll(() => gateway?.close());

function user(name: string, more: object = {}) {
  return {
    schemas: [USER],
    userName: name,
    name: { givenName: 'Ada', familyName: 'L' },
    emails: [{ value: `${name}@example.com`, primary: true }],
    active: true,
    ...more,
  };
}

const patch = (...operations: object[]) => ({ schemas: [PATCH], Operations: operations });

describe('SCIM 2.0', () => {
  test('users are made, found, changed and listed', async () => {
    const answer = await directory.call('POST', '/Users', user('ada', { externalId: 'ext-1' }));
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      userName: 'ada',
      active: true,
      externalId: 'ext-1',
      meta: { resourceType: 'User', location: expect.stringContaining('/scim/v2/Users/') },
    });
    const { id } = answer.body;
    expect((await directory.call('POST', '/Users', user('ADA'))).body).toMatchObject({
      status: '409',
      scimType: 'uniqueness',
    });
    for (const filter of [
      'userName eq "ada"',
      'externalId eq "ext-1"',
      'emails.value co "ada@"',
      'name.familyName sw "L" and active eq true',
      `id eq "${id}"`,
    ]) {
      const found = await directory.call('GET', `/Users?filter=${encodeURIComponent(filter)}`);
      expect([filter, found.body.totalResults]).toEqual([filter, 1]);
    }
    expect(
      (await directory.call('GET', '/Users?filter=userName%20eq%20%22nobody%22')).body.totalResults,
    ).toBe(0);
    expect((await directory.call('GET', '/Users?filter=%22((')).status).toBe(400);
    for (const name of ['u1', 'u2', 'u3']) await directory.call('POST', '/Users', user(name));
    const page = await directory.call('GET', '/Users?startIndex=2&count=2');
    expect(page.body).toMatchObject({ totalResults: 4, startIndex: 2, itemsPerPage: 2 });
    expect(page.body.Resources).toHaveLength(2);
    const put = await directory.call('PUT', `/Users/${id}`, user('ada', { displayName: 'Lady Ada' }));
    expect(put.body.displayName).toBe('Lady Ada');
    const changed = await directory.call(
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'replace', path: 'name.givenName', value: 'Augusta' }),
    );
    expect(changed.body.name.givenName).toBe('Augusta');
    expect((await admin(gateway).call('GET', `/api/users/${id}`)).body).toMatchObject({
      name: 'Lady Ada',
      email: 'ada@example.com',
    });
  });

  test('groups give and take roles', async () => {
    const { body: eve } = await directory.call('POST', '/Users', user('eve'));
    const { body: group, status } = await directory.call('POST', '/Groups', {
      schemas: [GROUP],
      displayName: 'Engineers',
      members: [{ value: eve.id }],
    });
    expect(status).toBe(201);
    const roles = async () => (await admin(gateway).call('GET', `/api/users/${eve.id}`)).body.memberships;
    expect(await roles()).toMatchObject([{ team_id: 'search', role: 'member' }]);
    expect((await directory.call('GET', `/Users/${eve.id}`)).body.groups).toMatchObject([
      { value: group.id, display: 'Engineers' },
    ]);
    await directory.call(
      'PATCH',
      `/Groups/${group.id}`,
      patch({ op: 'remove', path: `members[value eq "${eve.id}"]` }),
    );
    expect(await roles()).toEqual([]);
    await directory.call(
      'PATCH',
      `/Groups/${group.id}`,
      patch({ op: 'add', path: 'members', value: [{ value: eve.id }] }),
    );
    await directory.call(
      'PATCH',
      `/Groups/${group.id}`,
      patch({ op: 'replace', value: { displayName: 'Bosses' } }),
    );
    expect(await roles()).toMatchObject([{ team_id: null, role: 'admin' }]);
    expect((await directory.call('DELETE', `/Groups/${group.id}`)).status).toBe(204);
    expect(await roles()).toEqual([]);
    const ghost = { schemas: [GROUP], displayName: 'Ghosts', members: [{ value: 'user_nobody' }] };
    expect((await directory.call('POST', '/Groups', ghost)).status).toBe(400);
  });

  test.each(['replace with a path', 'replace without', 'delete'])(
    'deactivated (%s): sessions and keys end at once',
    async (how) => {
      const name = `gone-${how.replaceAll(' ', '')}`;
      const { body } = await directory.call('POST', '/Users', user(name));
      await made(admin(gateway), '/api/memberships', { user_id: body.id, role: 'member', team_id: 'search' });
      const session = await signIn(gateway, admin(gateway), body.id);
      const key = await made(session, '/api/keys', { name, team_id: 'search' });
      const models = async () =>
        (await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key.key}` } })).status;
      expect([await models(), (await session.call('GET', '/api/account')).status]).toEqual([200, 200]);
      const began = performance.now();
      if (how === 'delete') await directory.call('DELETE', `/Users/${body.id}`);
      else
        await directory.call(
          'PATCH',
          `/Users/${body.id}`,
          patch(
            how.endsWith('path')
              ? { op: 'Replace', path: 'active', value: 'False' }
              : { op: 'replace', value: { active: false } },
          ),
        );
      expect([await models(), (await session.call('GET', '/api/account')).status]).toEqual([401, 401]);
      expect(performance.now() - began).toBeLessThan(2000);
      if (how === 'delete') return;
      await directory.call(
        'PATCH',
        `/Users/${body.id}`,
        patch({ op: 'replace', path: 'active', value: true }),
      );
      // The key works again; the session is gone for good.
      expect([await models(), (await session.call('GET', '/api/account')).status]).toEqual([200, 401]);
    },
  );

  test('a directory sees its own organization and what it provisioned, nothing else', async () => {
    const local = await made(admin(gateway), '/api/users', {
      name: 'Owner',
      email: 'boss@example.com',
      role: 'owner',
    });
    expect((await directory.call('GET', `/Users/${local.id}`)).status).toBe(404);
    expect(
      (
        await directory.call(
          'PATCH',
          `/Users/${local.id}`,
          patch({ op: 'replace', value: { active: false } }),
        )
      ).status,
    ).toBe(404);
    // The address is somebody's already: no take-over by an equal address.
    expect((await directory.call('POST', '/Users', user('boss'))).status).toBe(409);
    const { body } = await directory.call('POST', '/Users', user('mine'));
    expect((await foreign.call('GET', `/Users/${body.id}`)).status).toBe(404);
    expect((await foreign.call('DELETE', `/Users/${body.id}`)).status).toBe(404);
    expect((await foreign.call('GET', '/Users')).body.totalResults).toBe(0);
  });

  test('too many wrong tokens from one address get 429', async () => {
    const strict = await startGateway({
      yaml: 'version: 1\naccess: { mode: keys, max_auth_failures_per_minute: 3 }\n',
    });
    const wrong = apiUser(`${strict.url}/scim/v2`, 'scim-wrong');
    const statuses: number[] = [];
    for (let index = 0; index < 6; index += 1) statuses.push((await wrong.call('GET', '/Users')).status);
    expect(statuses.slice(0, 3)).toEqual([401, 401, 401]);
    expect(statuses.at(-1)).toBe(429);
    const answer = await fetch(`${strict.url}/scim/v2/Users`, {
      headers: { authorization: 'Bearer scim-wrong' },
    });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: '429',
    });
    await strict.close();
  });

  test('only a token of its own speaks SCIM, until it is revoked', async () => {
    for (const token of ['scim-wrong', gateway.adminKey]) {
      expect((await apiUser(`${gateway.url}/scim/v2`, token).call('GET', '/Users')).status).toBe(401);
    }
    const made2 = await made(admin(gateway), '/api/scim-tokens', { name: 'short' });
    const short = apiUser(`${gateway.url}/scim/v2`, made2.token);
    expect((await short.call('GET', '/ServiceProviderConfig')).body).toMatchObject({
      patch: { supported: true },
      filter: { supported: true },
    });
    expect((await short.call('GET', '/Schemas')).body.totalResults).toBeGreaterThanOrEqual(2);
    expect((await admin(gateway).call('DELETE', `/api/scim-tokens/${made2.id}`)).status).toBe(200);
    expect((await short.call('GET', '/Users')).status).toBe(401);
    expect((await apiUser(gateway.url, made2.token).call('GET', '/api/keys')).status).toBe(401);
  });
});
