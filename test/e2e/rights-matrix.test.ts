import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTRACT, type EndpointName } from '../../src/control/contract.ts';
import type { Endpoint } from '../../src/control/endpoint.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made, signIn } from '../support/identity.ts';
import {
  EXPECTED,
  type Expected,
  type MatrixRole,
  PUBLIC,
  ROLES,
  type Things,
} from '../support/rights-expected.ts';

// Every endpoint × every role × own and foreign tenant × every field, built from the contract.

const SECRET = 'SECRET';
const NAMES = Object.keys(CONTRACT) as EndpointName[];
const CHECKED = NAMES.filter((name) => !PUBLIC.has(name) && EXPECTED[name] !== undefined);
/** Fields that give rights in other gateways' bodies, and must not be taken where the contract has none. */
const SMUGGLED = [
  'role',
  'permissions',
  'organization_id',
  'org_id',
  'tenant',
  'made_by',
  'limited_by',
  'is_admin',
  'source',
];

interface Tenant {
  readonly things: Things;
  readonly callers: ReadonlyMap<MatrixRole, ApiUser>;
}

let gateway: TestGateway;
let root: ApiUser;
let ours: Tenant;
let theirs: Tenant;
let count = 0;

function unique(): string {
  count += 1;
  return `${SECRET}-${count}`;
}

/** What a tenant's things look like to the admin key. */
async function stateOf(things: Things): Promise<unknown> {
  const paths = [
    `/api/organizations/${things.organization}`,
    `/api/teams/${things.team}`,
    `/api/projects/${things.project}`,
    `/api/users/${things.user}`,
    `/api/service-accounts/${things.service_account}`,
    `/api/roles/${things.role}`,
    `/api/keys/${things.key}`,
    `/api/budgets/${things.budget}`,
    `/api/limits/${things.limit}`,
  ];
  return Promise.all(paths.map(async (path) => (await root.call('GET', path)).body));
}

function notByUsers(rows: readonly { readonly actor: string }[]) {
  return rows.filter(({ actor }) => !actor.startsWith('user:'));
}

function expected(name: string): Expected {
  const found = EXPECTED[name];
  if (found === undefined) throw new Error(`no expectation for ${name}`);
  return found;
}

/** Sends what the endpoint takes; path parameters go where they belong. */
function send(by: ApiUser, name: EndpointName, input: Readonly<Record<string, unknown>>) {
  const { method, path }: Endpoint = CONTRACT[name];
  const rest = { ...input };
  const filled = path.replaceAll(/:([a-z_]+)/g, (_, key: string) => {
    const value = rest[key];
    delete rest[key];
    return encodeURIComponent(String(value));
  });
  if (method !== 'GET' && method !== 'DELETE') return by.call(method, filled, rest);
  const query = new URLSearchParams(rest as Record<string, string>);
  return by.call(method, query.size === 0 ? filled : `${filled}?${query}`);
}

async function firstExchange(key: string, keyId: string): Promise<string> {
  await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/gpt', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  const { body } = await root.call('GET', `/api/exchanges?key_id=${keyId}`);
  return body.data[0].id;
}

/** A thing of each kind, in a team of the organization. Made anew for calls that use one up. */
async function thingsOf(organization: string, team: string): Promise<Things> {
  const place = { organization_id: organization };
  const name = unique;
  const user = await made(root, '/api/users', { ...place, name: name(), role: 'member', team_id: team });
  const key = await made(root, '/api/keys', { ...place, name: name(), team_id: team });
  const project = await made(root, '/api/projects', { team_id: team, name: name() });
  const account = await made(root, '/api/service-accounts', { ...place, team_id: team, name: name() });
  const role = await made(root, '/api/roles', { ...place, name: name(), permissions: ['keys:read'] });
  const budget = await made(root, '/api/budgets', {
    scope: 'team',
    scope_id: team,
    limit_usd: 1000,
    window: 'month',
    name: name(),
  });
  const limit = await made(root, '/api/limits', {
    scope: 'team',
    scope_id: team,
    limits: { rpm: 100_000 },
    name: name(),
  });
  const approval = await made(root, '/api/approvals', {
    kind: 'model_access',
    key_id: key.id,
    models: ['sim/claude'],
    reason: name(),
  });
  return {
    organization,
    team,
    user: user.id,
    membership: user.memberships[0].id,
    key: key.id,
    project: project.id,
    service_account: account.id,
    role: role.id,
    budget: budget.id,
    limit: limit.id,
    approval: approval.id,
    exchange: await firstExchange(key.key, key.id),
  };
}

async function tenant(): Promise<Tenant> {
  const { id: organization } = await made(root, '/api/organizations', { name: unique() });
  const { id: team } = await made(root, '/api/teams', { organization_id: organization, name: unique() });
  const bare = await made(root, '/api/roles', {
    organization_id: organization,
    name: unique(),
    permissions: [],
  });
  const callers = new Map<MatrixRole, ApiUser>();
  for (const name of ROLES) {
    const inTeam = name === 'teamAdmin' || name === 'teamMember';
    const role = name === 'nothing' ? bare.id : inTeam ? name.slice(4).toLowerCase() : name;
    const user = await made(root, '/api/users', {
      organization_id: organization,
      name: unique(),
      role,
      ...(inTeam ? { team_id: team } : {}),
    });
    callers.set(name, await signIn(gateway, root, user.id));
  }
  return { things: await thingsOf(organization, team), callers };
}

/** Calls that use something up are made with things of their own. */
function usesUp(name: EndpointName): boolean {
  return (
    CONTRACT[name].method === 'DELETE' ||
    ['revokeKey', 'deleteUser', 'updateMembership', 'createMembership'].includes(name)
  );
}

async function freshThings(name: EndpointName, base: Things): Promise<Things> {
  return usesUp(name) && name !== 'closeSession' ? thingsOf(base.organization, base.team) : base;
}

beforeAll(async () => {
  // The matrix sends hundreds of wrong keys from one address.
  gateway = await startGateway({ yaml: 'version: 1\naccess: { max_auth_failures_per_minute: 100000 }\n' });
  root = admin(gateway);
  ours = await tenant();
  theirs = await tenant();
});

afterAll(() => gateway?.close());

test('every endpoint has an expectation', () => {
  expect(NAMES.filter((name) => EXPECTED[name] === undefined && !PUBLIC.has(name))).toEqual([]);
});

// Streams never end, lines are no JSON document, signing out ends what the next check needs: they have tests of their own.
const CALLED = CHECKED.filter((name) => CONTRACT[name].answer === undefined && name !== 'closeSession');

describe.each(CHECKED)('%s', (name) => {
  test('is closed to those who have not signed in', async () => {
    for (const token of ['wrong', 'sk-sluice-wrong', '']) {
      const { status } = await send(
        apiUser(gateway.url, token),
        name,
        expected(name).input(ours.things, unique()),
      );
      expect([401, 429]).toContain(status);
    }
  });
});

describe.each(CALLED)('%s', (name) => {
  test.each(ROLES)('as %s', async (role) => {
    const by = ours.callers.get(role) as ApiUser;
    const { may, input, absent = false } = expected(name);
    const things = may.includes(role) ? await freshThings(name, ours.things) : ours.things;
    const { status, body } = await send(by, name, input(things, unique()));
    const allowed = status !== 401 && status !== 403 && (absent || status !== 404);
    expect({ status, allowed, body }).toMatchObject({ allowed: may.includes(role) });
    expect(status).toBeLessThan(500);
  });

  test('gives and does nothing to another tenant', async () => {
    const { input, may } = expected(name);
    const given = input(theirs.things, unique());
    const namesTheirs = Object.values(given).some((value) =>
      Object.values(theirs.things).includes(value as string),
    );
    const before = await stateOf(theirs.things);
    for (const role of ['owner', 'admin', 'auditor', 'teamAdmin'] as const) {
      const by = ours.callers.get(role) as ApiUser;
      const { status, body } = await send(by, name, given);
      if (namesTheirs) expect([400, 403, 404]).toContain(status);
      else if (may.includes(role)) expect(status).toBeLessThan(500);
      // The audit log names what our own people asked for, in vain.
      const rows = name === 'listAudit' && status === 200 ? notByUsers(body.data) : body;
      const text = JSON.stringify(rows);
      for (const id of Object.values(theirs.things)) expect(text).not.toContain(id);
    }
    expect(await stateOf(theirs.things)).toEqual(before);
  });
});

describe.each(CALLED.filter((name) => /^P/.test(CONTRACT[name].method)))('%s', (name) => {
  const definition: Endpoint = CONTRACT[name];

  test('takes no field that gives rights unless the contract has it', async () => {
    const by = ours.callers.get('owner') as ApiUser;
    const { input, may } = expected(name);
    const shape = Object.keys(definition.input.shape);
    for (const field of SMUGGLED.filter((entry) => !shape.includes(entry))) {
      const { status } = await send(by, name, { ...input(ours.things, unique()), [field]: 'owner' });
      expect({ field, status }).toEqual({ field, status: may.includes('owner') ? 400 : 403 });
    }
    if (!shape.includes('organization_id')) return;
    const foreign = { ...input(ours.things, unique()), organization_id: theirs.things.organization };
    const { status, body } = await send(by, name, foreign);
    // Refused, or plainly about our own.
    if (status === 200) expect(body.organization_id).toBe(ours.things.organization);
    else expect([400, 403, 404]).toContain(status);
  });
});

describe.each(CALLED.filter((name) => (CONTRACT[name] as Endpoint).fields !== undefined))('%s', (name) => {
  const definition: Endpoint = CONTRACT[name];

  test('guards the fields that need more', async () => {
    const by = ours.callers.get('teamMember') as ApiUser;
    const { input } = expected(name);
    const key = await made(by, '/api/keys', { name: unique() });
    for (const field of Object.keys(definition.fields ?? {})) {
      const own = name === 'updateKey' ? { id: key.id } : input(ours.things, unique());
      const value = SAMPLES[field];
      if (value === undefined) throw new Error(`no sample for the field ${field}`);
      const { status } = await send(by, name, { ...own, [field]: value });
      expect({ field, status }).toEqual({ field, status: 403 });
    }
  });
});

/** A valid value for every field that needs more than its endpoint. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  user_id: 'user_x',
  service_account_id: 'sa_x',
  team_id: 'team_x',
  project_id: 'proj_x',
  role: 'owner',
  email: 'x@example.com',
  external_id: 'x',
  disabled: false,
  policy: {},
  models: ['*'],
  operations: ['chat'],
  cidrs: ['0.0.0.0/0'],
  limits: {},
  budget: { limit_usd: 5 },
  expires_at: '2099-01-01T00:00:00Z',
  rotate_every_s: 60,
  rotate_overlap_s: 1,
};

test('the stream of exchanges carries what the watcher may see', async () => {
  const until = new AbortController();
  const open = (by: ApiUser) =>
    fetch(`${gateway.url}/api/exchanges/stream`, {
      headers: { authorization: `Bearer ${by.token}` },
      signal: until.signal,
    });
  const nothing = await open(ours.callers.get('nothing') as ApiUser);
  expect(nothing.status).toBe(403);
  const streams = await Promise.all([
    open(ours.callers.get('viewer') as ApiUser),
    open(ours.callers.get('member') as ApiUser),
    open(theirs.callers.get('owner') as ApiUser),
  ]);
  const seen = streams.map(() => '');
  const readers = streams.map(async ({ body }, index) => {
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      seen[index] += new TextDecoder().decode(chunk);
    }
  });
  const key = await made(root, '/api/keys', { name: unique(), organization_id: ours.things.organization });
  await firstExchange(key.key, key.id);
  await expect.poll(() => seen[0]).toContain(key.id);
  expect(seen[1]).not.toContain(key.id);
  expect(seen[2]).not.toContain(key.id);
  until.abort();
  await Promise.allSettled(readers);
});
