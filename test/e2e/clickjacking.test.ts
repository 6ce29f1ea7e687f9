import { afterAll, beforeAll, expect, it } from 'vitest';
import { CONTRACT } from '../../src/control/contract.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

/** Every page of the portal, of the API and beside them; those without an answer of their own as well. */
const PAGES = [
  ...[
    '/',
    '/sign-in',
    '/keys',
    '/people',
    '/budgets',
    '/approve?token=x',
    '/account',
    '/settings',
    '/nowhere',
  ],
  ...['/api/docs', '/api/openapi.json', '/api/nowhere', '/health/live', '/health/ready', '/metrics'],
  ...['/assets/none.js', '/scim/v2/Users', '/api/sign-in/oidc/none', '/api/sign-in/saml/none'],
];
const READS = Object.values(CONTRACT)
  .filter(({ method }) => method === 'GET')
  .map(({ path }) => path.replaceAll(/:\w+/g, 'x'));

async function policyOf(path: string, headers: Record<string, string>) {
  const abort = new AbortController();
  const answer = await fetch(gateway.url + path, { headers, redirect: 'manual', signal: abort.signal });
  abort.abort();
  return {
    policy: answer.headers.get('content-security-policy') ?? '',
    frame: answer.headers.get('x-frame-options'),
    sniff: answer.headers.get('x-content-type-options'),
  };
}

it.each([...PAGES, ...READS])('%s may not be framed, signed in or not', async (path) => {
  for (const authorization of [{}, { authorization: `Bearer ${gateway.adminKey}` }]) {
    for (const accept of ['text/html', 'application/json']) {
      const told = await policyOf(path, { accept, ...authorization });
      expect(told.policy).toContain("frame-ancestors 'none'");
      expect(told.policy).toContain("default-src 'self'");
      expect(['DENY', 'SAMEORIGIN']).toContain(told.frame);
      expect(told.sniff).toBe('nosniff');
    }
  }
});

it('nor what is refused before it is read: a foreign host, a foreign page, a method that is not there', async () => {
  for (const [path, init] of [
    [
      '/api/status',
      { method: 'POST', headers: { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site' } },
    ],
    ['/api/keys', { method: 'POST', headers: { origin: 'http://evil.example' }, body: '{}' }],
    ['/keys', { method: 'POST' }],
  ] as const) {
    const answer = await fetch(gateway.url + path, init);
    expect([path, answer.status >= 400]).toEqual([path, true]);
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect([path, policy]).toEqual([path, expect.stringContaining("frame-ancestors 'none'")]);
  }
});
