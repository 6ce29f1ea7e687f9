import type { Case } from './case.ts';

const KEY_FIELDS: Readonly<Record<string, readonly unknown[]>> = {
  name: [5, '', 'n'.repeat(201), null, [], {}],
  team_id: [5, {}, 't'.repeat(101)],
  models: ['all', [5], [''], {}],
  expires_at: ['tomorrow', 5, '2020-13-45T00:00:00Z', {}],
  limits: [5, [], { rpm: -1 }, { rpm: 1.5 }, { rpm: '5' }, { rpw: 1 }, { tpm: 1e300 }],
  budget: [
    5,
    {},
    { limit_usd: -1 },
    { limit_usd: 'NaN' },
    { limit_usd: 1, window: 'year' },
    { limit_usd: 1e9 },
  ],
  metadata: [5, { a: 5 }, { a: { b: 'c' } }, []],
  role: ['owner'],
  is_admin: [true],
  permissions: [['keys:write']],
  org_id: ['another'],
  hash: ['a'],
  id: ['key_chosen'],
};

const IDS = [
  'key_unknown',
  '0',
  "'%20OR%201=1",
  '%00',
  '..%2f..',
  '%f0%9f%92%a9',
  'a'.repeat(101),
  '__proto__',
  '*',
  '%25',
];

const QUERIES: Readonly<Record<string, readonly string[]>> = {
  '/api/keys': ['limit=0', 'limit=-1', 'limit=1e9', 'limit=a', 'cursor=a%00', 'unknown=1', 'limit=5&limit=6'],
  '/api/exchanges': ['limit=501', 'from=yesterday', 'status=ok', 'unknown=1', 'outcome=x'],
  '/api/usage': ['group_by=password', 'interval=second', 'from=a', 'unknown=1'],
  '/api/audit': ['limit=0', 'unknown=1'],
};

/** Requests to the control plane by someone who holds the admin key, and by those who do not. */
export function adminCases(secrets: { adminKey: string; key: string }): Case[] {
  const admin = { authorization: `Bearer ${secrets.adminKey}` };
  const nobody: readonly Readonly<Record<string, string | undefined>>[] = [
    { authorization: undefined },
    { authorization: `Bearer ${secrets.key}` },
    { authorization: 'Bearer sk-1234' },
    { authorization: 'Basic YWRtaW46YWRtaW4=' },
    { authorization: undefined, 'x-api-key': secrets.adminKey },
    { authorization: undefined, cookie: 'sluice_session=chosen-by-the-attacker' },
    { authorization: undefined, cookie: `sluice_session=${secrets.adminKey}` },
    { authorization: `Bearer ${secrets.adminKey.slice(0, -1)}` },
  ];
  const reads = [
    '/api/keys',
    '/api/exchanges',
    '/api/usage',
    '/api/config',
    '/api/audit',
    '/api/status',
    '/api/models',
  ];
  const fields = Object.entries(KEY_FIELDS).flatMap(([field, values]) =>
    values.flatMap((value) => [
      {
        name: `create a key: ${field} = ${JSON.stringify(value).slice(0, 40)}`,
        path: '/api/keys',
        body: JSON.stringify({ name: 'a', [field]: value }),
        headers: admin,
        status: [400],
        field,
      },
    ]),
  );
  const bodies = [
    '',
    '[]',
    'null',
    '5',
    '{',
    '{"name":"a","__proto__":{"role":"owner"}}',
    '{"constructor":{"prototype":{"a":1}},"name":"a"}',
  ];
  return [
    ...fields,
    ...bodies.map((body) => ({ name: `create a key: ${body}`, path: '/api/keys', body, headers: admin })),
    {
      name: 'create a key: depth 100,000',
      path: '/api/keys',
      body: `{"name":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      headers: admin,
    },
    {
      name: 'create a key: 3 MB',
      path: '/api/keys',
      body: JSON.stringify({ name: 'a'.repeat(3_000_000) }),
      headers: admin,
      status: [413],
    },
    {
      name: 'create a key: text/plain',
      path: '/api/keys',
      body: '{"name":"a"}',
      headers: { ...admin, 'content-type': 'text/plain' },
    },
    ...IDS.flatMap((id) =>
      ['GET', 'PATCH', 'DELETE'].map((method) => ({
        name: `${method} key ${id.slice(0, 20)}`,
        method,
        path: `/api/keys/${id}`,
        headers: admin,
        ...(method === 'PATCH' ? { body: '{"name":"b"}' } : {}),
      })),
    ),
    ...IDS.map((id) => ({
      name: `exchange ${id.slice(0, 20)}`,
      method: 'GET',
      path: `/api/exchanges/${id}`,
      headers: admin,
    })),
    ...Object.entries(QUERIES).flatMap(([path, queries]) =>
      queries.map((query) => ({
        name: `${path}?${query}`,
        method: 'GET',
        path: `${path}?${query}`,
        headers: admin,
        mayPass: query.startsWith('cursor'),
      })),
    ),
    ...nobody.flatMap((headers, index) => [
      ...reads.map((path) => ({
        name: `nobody ${index}: ${path}`,
        method: 'GET',
        path,
        headers,
        status: [401],
      })),
      {
        name: `nobody ${index}: create a key`,
        path: '/api/keys',
        body: '{"name":"a"}',
        headers,
        status: [401, 403],
      },
      {
        name: `nobody ${index}: revoke a key`,
        method: 'DELETE',
        path: '/api/keys/key_a',
        headers,
        status: [401, 403],
      },
    ]),
    ...['', 'a', 'a'.repeat(201)].map((token) => ({
      name: `sign in with ${token.length} letters`,
      path: '/api/session',
      body: JSON.stringify({ token }),
      headers: { authorization: undefined },
      status: [400, 401],
    })),
  ];
}
