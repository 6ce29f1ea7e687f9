import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made } from '../support/identity.ts';

const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

let gateway: TestGateway;
let directory: ApiUser;
let token: string;
let id: string;
let group: string;

beforeAll(async () => {
  gateway = await startGateway({ yaml: 'version: 1\naccess: { mode: keys }\n' });
  token = (await made(admin(gateway), '/api/scim-tokens', { name: 'directory' })).token;
  directory = apiUser(`${gateway.url}/scim/v2`, token);
  const body = {
    schemas: [USER, ENTERPRISE],
    userName: 'Eve@Example.com',
    externalId: 'Ext-1',
    name: { givenName: 'Eve', familyName: 'Ö "Q"' },
    emails: [{ value: 'eve@example.com', type: 'work', primary: true }],
    active: true,
    [ENTERPRISE]: { department: 'R&D' },
  };
  id = (await directory.call('POST', '/Users', body)).body.id;
  group = (await directory.call('POST', '/Groups', { displayName: 'Engineers', members: [{ value: id }] }))
    .body.id;
});

afterAll(() => gateway?.close());

async function total(resource: string, filter: string): Promise<number | string> {
  const { status, body } = await directory.call('GET', `/${resource}?filter=${encodeURIComponent(filter)}`);
  return status === 200 ? body.totalResults : `${status} ${body.scimType}`;
}

test('filters as directories write them', async () => {
  const found = {
    'userName eq "eve@example.com"': 1,
    'USERNAME Eq "EVE@EXAMPLE.COM"': 1,
    [`${USER}:userName eq "eve@example.com"`]: 1,
    'externalId eq "Ext-1"': 1,
    'externalId eq "ext-1"': 0,
    'emails eq "EVE@example.com"': 1,
    'emails[type eq "work"].value eq "eve@example.com"': 1,
    'emails[type eq "home"].value eq "eve@example.com"': 0,
    'emails[type eq "work" and value co "@example.com"]': 1,
    'name.familyName eq "ö \\"q\\""': 1,
    [`${ENTERPRISE}:department eq "r&d"`]: 1,
    'active eq "True" and (userName sw "eve" or userName sw "adam")': 1,
    'not (active eq true)': 0,
    'userName ne "eve@example.com"': 0,
    'displayName pr and nickName pr': 0,
    'nickName eq null': 1,
    'meta.lastModified gt "2020-01-01T00:00:00Z"': 1,
    'meta.lastModified lt "2020-01-01T00:00:00Z"': 0,
    'userName eq "a" or userName eq "b" and active eq true or id pr': 1,
  };
  for (const [filter, expected] of Object.entries(found)) {
    expect([filter, await total('Users', filter)]).toEqual([filter, expected]);
  }
  expect(await total('Groups', 'displayName eq "ENGINEERS"')).toBe(1);
  expect(await total('Groups', `id eq "${group}" and members eq "${id}"`)).toBe(1);
  expect(await total('Groups', `members[value eq "${id}"]`)).toBe(1);
  expect(await total('Groups', `id eq "${group}" and members eq "user_other"`)).toBe(0);
});

test('a filter that cannot be read is refused in words, without ours', async () => {
  const broken = [
    'userName eq',
    'userName',
    'userName is "x"',
    'userName eq x',
    'userName eq "x',
    '(userName pr',
    'userName pr)',
    'userName pr or',
    'emails[type eq "work"',
    'not userName pr',
    '"x" eq "y"',
    '('.repeat(400),
  ];
  for (const filter of broken)
    expect([filter, await total('Users', filter)]).toEqual([filter, '400 invalidFilter']);
});

test('patches of the enterprise extension and with core prefixes', async () => {
  const patched = async (...operations: object[]) => {
    const { status, body } = await directory.call('PATCH', `/Users/${id}`, {
      schemas: [PATCH],
      Operations: operations,
    });
    expect([operations, status, body.detail]).toEqual([operations, 200, undefined]);
    return body;
  };
  const add = { op: 'Add', path: `${ENTERPRISE}:department`, value: 'Sales' };
  expect((await patched(add))[ENTERPRISE]).toMatchObject({ department: 'Sales' });
  const manager = { op: 'Add', path: `${ENTERPRISE}:manager`, value: 'user_boss' };
  expect((await patched(manager))[ENTERPRISE]).toMatchObject({ manager: { value: 'user_boss' } });
  const flat = {
    op: 'Replace',
    value: { 'name.givenName': 'Eva', [`${ENTERPRISE}:employeeNumber`]: '7', active: 'True' },
  };
  expect(await patched(flat)).toMatchObject({
    name: { givenName: 'Eva' },
    active: true,
    [ENTERPRISE]: { department: 'Sales', employeeNumber: '7' },
  });
  const prefixed = { op: 'replace', path: `${USER}:displayName`, value: 'Eva Ö' };
  expect(await patched(prefixed)).toMatchObject({ displayName: 'Eva Ö' });
});

test('a DELETE that names the type of a body it does not have', async () => {
  for (const type of ['application/scim+json', 'application/json']) {
    const made = await directory.call('POST', '/Users', { schemas: [USER], userName: `gone-${type}@x.io` });
    const answer = await fetch(`${gateway.url}/scim/v2/Users/${made.body.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}`, 'content-type': type },
    });
    expect([type, answer.status]).toEqual([type, 204]);
  }
});
