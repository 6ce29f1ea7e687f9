import { ALL, type Case, CHATS, SAME } from './case.ts';

const right = (body: object) => JSON.stringify(body);

const BAD_HEADERS: Readonly<Record<string, readonly string[]>> = {
  'x-sluice-timeout-ms': ['-1', '0', 'soon', '1.5', '99999999999', 'NaN', '1e999'],
  'x-sluice-tags': ['novalue', '=a', 'a=', 'a b=c', `a=${'v'.repeat(200)}`, 'a=b,'.repeat(30)],
  'x-sluice-metadata': ['{', 'a', `"${'m'.repeat(5000)}"`],
  'x-sluice-cache': ['always', 'ttl=-1', 'ttl=', 'ttl=99999999999'],
  'x-sluice-user': ['u'.repeat(201)],
  'x-sluice-session': ['s'.repeat(201)],
  'x-request-id': ['r'.repeat(201)],
  authorization: ['Bearer', 'Basic YWRtaW46YWRtaW4=', 'Bearer a b', 'Token a', 'bearer:a'],
};

function badHeaders(): Case[] {
  return SAME.flatMap(({ name, path, body }) =>
    Object.entries(BAD_HEADERS).flatMap(([header, values]) =>
      values.map((value) => ({
        name: `${name}: ${header}: ${value.slice(0, 40)}`,
        path,
        headers: { [header]: value },
        body: right(body),
        status: [400],
        field: header,
      })),
    ),
  );
}

/** Keys that must not open anything. `key` is the right one. */
function keys(key: string, adminKey: string): Case[] {
  const wrong = [
    'sk-1234',
    'sk-sluice-',
    'sk-sluice-1234',
    'admin',
    'null',
    'undefined',
    key.slice(0, -1),
    `${key}x`,
    key.toLowerCase() === key ? key.toUpperCase() : key.toLowerCase(),
    key.slice(0, 20),
    `${key.slice(0, 20)}${'A'.repeat(key.length - 20)}`,
    adminKey,
    `${key},${key}`,
    encodeURIComponent(`${key}\u0000`),
  ];
  const none = { authorization: undefined };
  return ALL.flatMap(({ name, path, body: content }) => {
    const body = right(content);
    return [
      { name: `${name}: no key`, path, body, headers: none, status: [401] },
      {
        name: `${name}: key in a cookie`,
        path,
        body,
        headers: { ...none, cookie: `key=${key}` },
        status: [401],
      },
      { name: `${name}: key in api-key`, path, body, headers: { ...none, 'api-key': key }, status: [401] },
      {
        name: `${name}: key in x-sluice-key`,
        path,
        body,
        headers: { ...none, 'x-sluice-key': key },
        status: [401],
      },
      {
        name: `${name}: key twice`,
        path,
        body,
        headers: { authorization: [`Bearer ${key}`, `Bearer ${key}`] },
        status: [400],
        field: 'authorization',
      },
      {
        name: `${name}: two keys`,
        path,
        body,
        headers: { 'x-api-key': 'sk-sluice-another' },
        status: [400],
        field: 'key',
      },
      {
        name: `${name}: another in the query`,
        path: `${path}?key=sk-1234`,
        body,
        status: [400],
        field: 'key',
      },
      ...wrong.map((value, index) => ({
        name: `${name}: wrong key ${index}`,
        path,
        body,
        headers: { authorization: `Bearer ${value}` },
        status: [401],
      })),
    ];
  });
}

const EVIL_HOSTS = [
  'evil.example',
  'evil.example:4100',
  'localhost.evil.example',
  'localhost@evil.example',
  'localhost:80@evil.example',
  '127.0.0.1.nip.example',
  'evil.example/localhost',
  'localhost.',
  '0x7f000001',
  '2130706433',
  '[::1].evil',
  '169.254.169.254',
  ' ',
];

const EVIL_ORIGINS = [
  'http://evil.example',
  'null',
  'http://localhost.evil.example',
  'file://',
  'chrome-extension://abcdef',
  'http://127.0.0.1:1',
  'garbage',
];

/** Requests as a web page in the operator's browser could cause them. */
function browsers(): Case[] {
  const places: readonly { path: string; method?: string; body?: string }[] = [
    ...CHATS.map(({ path, body }) => ({ path, body: right(body) })),
    { path: '/v1/models', method: 'GET' },
    { path: '/api/keys', body: right({ name: 'a' }) },
    { path: '/api/keys', method: 'GET' },
    { path: '/api/session', body: right({ token: 'a' }) },
    { path: '/health/live', method: 'GET' },
    { path: '/metrics', method: 'GET' },
    { path: '/', method: 'GET' },
  ];
  return places.flatMap((place) => [
    ...EVIL_HOSTS.map((host) => ({
      ...place,
      name: `${place.path}: Host ${host}`,
      headers: { host, accept: 'text/html' },
      status: [421],
      field: 'Host',
    })),
    ...EVIL_ORIGINS.map((origin) => ({
      ...place,
      name: `${place.path}: Origin ${origin}`,
      headers: { origin },
      status: [403],
      field: 'Origin',
    })),
  ]);
}

const ROUTING_FIELDS = [
  'base_url',
  'api_base',
  'api_key',
  'custom_llm_provider',
  'extra_headers',
  'litellm_params',
];

/** Fields that would make the gateway call another place, and headers that would with other gateways. */
function elsewhere(canary: string): { refused: Case[]; ignored: Case[] } {
  const value = (field: string) =>
    /headers|params/.test(field) ? { api_base: canary, 'x-a': canary } : canary;
  const refused = CHATS.flatMap(({ name, path, body }) =>
    ROUTING_FIELDS.flatMap((field) => [
      {
        name: `${name}: ${field}`,
        path,
        body: right({ ...body, [field]: value(field) }),
        field,
        status: [400],
      },
      {
        name: `${name}: extra_body.${field}`,
        path,
        body: right({ ...body, extra_body: { [field]: value(field) } }),
        field,
        status: [400],
      },
    ]),
  );
  const headers = [
    'x-sluice-base-url',
    'x-sluice-upstream',
    'x-portkey-custom-host',
    'helicone-target-url',
    'x-original-url',
    'x-rewrite-url',
    'x-forwarded-host',
    'x-target-url',
    'forwarded',
  ];
  const ignored = CHATS.flatMap(({ name, path, body }) =>
    headers.map((header) => ({
      name: `${name}: ${header}`,
      path,
      body: right(body),
      headers: { [header]: header === 'forwarded' ? `host=${canary}` : canary },
      mayPass: true,
    })),
  );
  return { refused, ignored };
}

function paths(): Case[] {
  const body = right(SAME[0]?.body ?? {});
  const odd = [
    '/v1//chat/completions',
    '/V1/chat/completions',
    '/v1/chat/completions/',
    '/v1/chat/completions;a=b',
    '/v1/%63hat/completions',
    '/v1/chat%2fcompletions',
    '/v1/../v1/chat/completions',
    '/./v1/chat/completions',
    '/v1/chat/completions%00',
    '/v1/chat/completions%0d%0aa:b',
    '/v1/chat\\completions',
    '/openai/../api/keys',
    '/v1/..%2fapi%2fkeys',
    '//v1/chat/completions',
    '//evil.example/v1/chat/completions',
    '/v1/nothing',
    '/v1beta/models/gem:unknownVerb',
    '/passthrough',
    '/passthrough/nobody/v1/chat/completions',
    '/passthrough/__proto__/v1/chat/completions',
    '/passthrough/%2e%2e/v1/chat/completions',
    '/v1/files/..%2f..%2fadmin',
    '/v1/batches/%00/cancel',
    '/%61pi/keys',
    '/api//keys',
    '/api/keys/..%2f..',
    '/API/keys',
    '/.env',
    '/etc/passwd',
    '/assets/..%2f..%2f..%2fetc%2fpasswd',
    '/assets/%2e%2e/%2e%2e/etc/passwd',
  ];
  const methods = ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
  return [
    ...odd.map((path) => ({ name: `path ${path}`, path, body })),
    ...odd.map((path) => ({
      name: `page ${path}`,
      path,
      method: 'GET',
      mayPass: true,
      headers: { accept: 'text/html' },
    })),
    ...ALL.flatMap(({ name, path }) => [
      ...methods.map((method) => ({ name: `${name}: ${method}`, path, method })),
      {
        name: `${name}: method override`,
        path,
        method: 'GET',
        headers: { 'x-http-method-override': 'POST', 'x-method-override': 'POST' },
      },
    ]),
  ];
}

/** Refused for their headers, path or method. */
export function brokenHeaders(secrets: { key: string; adminKey: string; canary: string }): Case[] {
  return [
    ...badHeaders(),
    ...keys(secrets.key, secrets.adminKey),
    ...browsers(),
    ...paths(),
    ...elsewhere(secrets.canary).refused,
  ];
}

/** Headers that mean something to other gateways and nothing here. */
export function ignoredHeaders(canary: string): Case[] {
  return elsewhere(canary).ignored;
}
