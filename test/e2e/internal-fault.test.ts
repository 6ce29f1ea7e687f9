import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, apiUser, made, signIn } from '../support/identity.ts';
import { startIdp, type TestIdp } from '../support/oidc-idp.ts';
import { respond, signingPair } from '../support/saml-idp.ts';

// A fault inside the gateway must never tell somebody that his good credential is a bad one (issue 5, "Bad input").

const PASSWORD = 'four-brave-otters-run';
const SAML_ISSUER = 'https://idp.example/saml';
/** `internal` for a table that is not there, `ledger_unavailable` for a disk that is full or broken. */
const OURS = expect.toSatisfy((status: number) => status === 500 || status === 503);
const OUR_CODE = /^(internal|ledger_unavailable)$/;
const pair = signingPair();
let gateway: TestGateway;
let root: ApiUser;
let idp: TestIdp;
let keys: Server;
let issuer: string;
let signer: CryptoKey;
let jwks: 'up' | 'down' = 'up';
let raw: DatabaseSync;

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  signer = privateKey;
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  keys = createServer((request, response) => {
    if (jwks === 'down') return void request.socket.destroy();
    const found = request.url?.includes('well-known') === true;
    response.end(JSON.stringify(found ? { issuer, jwks_uri: `${issuer}/keys` } : { keys: [jwk] }));
  });
  issuer = `http://127.0.0.1:${await listen(keys)}`;
  const port = await freePort();
  idp = await startIdp({
    redirectUri: `http://127.0.0.1:${port}/auth/oidc/main/callback`,
    account: () => ({ sub: 'ada', email: 'sso@example.com', name: 'Ada' }),
  });
  gateway = await startGateway({
    port,
    yaml: `version: 1
server: { public_url: 'http://127.0.0.1:${port}', port: ${port} }
access: { mode: keys }
teams: [{ id: search, name: Search }]
sign_in:
  oidc:
    - { name: main, issuer: '${idp.issuer}', client_id: sluice, client_secret: a-test-secret, allow_private_network: true, default_role: member }
  saml:
    - name: corp
      issuer: ${SAML_ISSUER}
      entry_point: https://idp.example/sso
      certificates: ["${pair.cert.replaceAll('\n', '\\n')}"]
      default_role: viewer
  tokens:
    - { name: ci, issuer: '${issuer}', audience: sluice, allow_private_network: true, cache_s: 1, user: linked, rules: [{ team_id: search }] }
`,
  });
  root = admin(gateway);
  raw = new DatabaseSync(join(gateway.dataDir, 'sluice.db'));
});

afterAll(async () => {
  raw?.close();
  await gateway?.close();
  await idp?.close();
  keys?.closeAllConnections();
  keys?.close();
});

/** The storage fails for as long as `work` runs: its tables are not there. */
async function broken<T>(tables: readonly string[], work: () => Promise<T>): Promise<T> {
  for (const table of tables) raw.exec(`ALTER TABLE ${table} RENAME TO hidden_${table}`);
  try {
    return await work();
  } finally {
    for (const table of tables) raw.exec(`ALTER TABLE hidden_${table} RENAME TO ${table}`);
  }
}

function token(subject = 'robot'): Promise<string> {
  return new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(issuer)
    .setAudience('sluice')
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(signer);
}

async function data(bearer: string): Promise<{ status: number; code: string | null }> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim/gpt', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  await answer.arrayBuffer();
  return { status: answer.status, code: answer.headers.get('x-sluice-error') };
}

async function localUser(name: string) {
  const email = `${name}@example.com`;
  const user = await made(root, '/api/users', { name, email, role: 'member' });
  const { url } = await made(root, '/api/invitations', { user_id: user.id });
  const invite = String(url).split('#invite=')[1];
  return { email, user, invite };
}

describe('the storage fails', () => {
  const TABLES = ['settings', 'identities'];

  test('sessions, as cookie and as Bearer, and the directory’s token: a fault of ours, and they work again afterwards', async () => {
    const { user } = await localUser('grace');
    const session = await signIn(gateway, root, user.id);
    const browser = new Browser();
    browser.set(gateway.url, 'sluice_session', session.token);
    const scim = apiUser(
      `${gateway.url}/scim/v2`,
      (await made(root, '/api/scim-tokens', { name: 'directory' })).token,
    );
    const ask = async () => [
      (await session.call('GET', '/api/me')).status,
      (await browser.call(gateway.url, 'GET', '/api/me')).status,
      (
        await browser.call(gateway.url, 'POST', '/api/account/password', {
          current_password: 'x',
          new_password: 'y',
        })
      ).status,
      (await scim.call('GET', '/Users')).status,
    ];
    const [own, cookie, , directory] = await ask();
    expect([own, cookie, directory]).toEqual([200, 200, 200]);
    expect(await broken(TABLES, ask)).toEqual([OURS, OURS, OURS, OURS]);
    expect((await broken(TABLES, () => root.call('GET', '/api/me'))).status).toBe(200);
    const again = await ask();
    expect([again[0], again[1], again[3]]).toEqual([200, 200, 200]);
  });

  test('local accounts: password, invitation, challenge', async () => {
    const { email, invite } = await localUser('alan');
    const at = (path: string, body: unknown) => new Browser().call(gateway.url, 'POST', path, body);
    const accept = () => at('/api/sign-in/invitation', { token: invite, password: PASSWORD });
    expect((await broken(TABLES, accept)).status).toEqual(OURS);
    expect((await accept()).status).toBe(200);
    const word = () => at('/api/sign-in/local', { email, password: PASSWORD });
    for (let round = 0; round < 3; round += 1) expect((await broken(TABLES, word)).status).toEqual(OURS);
    expect((await word()).body.status).toBe('signed_in');
    const code = () => at('/api/sign-in/second-factor', { challenge: 'x'.repeat(40), code: '000000' });
    expect((await broken(TABLES, code)).status).toEqual(OURS);
    const link = String((await made(root, '/api/sign-in-links', {})).url).split('#')[1];
    const open = () => at('/api/session', { token: link });
    expect((await broken(TABLES, open)).status).toEqual(OURS);
    // A link that was not used up by a fault of ours still works.
    expect((await open()).status).toBe(200);
  });

  test('OpenID Connect and SAML: the page says that it is our fault', async () => {
    const begun = new Browser();
    const stop = await begun.visit(`${gateway.url}/auth/oidc/main/start`, {
      until: (url) => url.includes('code='),
    });
    const problem = (url: string) => new URL(url).searchParams.get('problem');
    const failed = await broken(TABLES, () =>
      begun.visit(stop.url, { until: (url) => url.includes('problem=') }),
    );
    expect(problem(failed.url)).toMatch(OUR_CODE);
    const start = await broken(TABLES, () =>
      new Browser().visit(`${gateway.url}/auth/oidc/main/start`, {
        until: (url) => url.includes('problem='),
      }),
    );
    expect(problem(start.url)).toMatch(OUR_CODE);
    const browser = new Browser();
    const away = await browser.visit(`${gateway.url}/auth/saml/corp/start`, {
      until: (url) => url.startsWith('https://idp.example'),
    });
    const xml = await respond(away.url, { issuer: SAML_ISSUER, pair });
    const form = {
      SAMLResponse: Buffer.from(xml).toString('base64'),
      RelayState: new URL(away.url).searchParams.get('RelayState') ?? '',
    };
    const acs = () =>
      browser.visit(`${gateway.url}/auth/saml/corp/acs`, {
        form,
        until: (url) => url.includes('problem=') || url.includes('/finish'),
      });
    expect(problem((await broken(TABLES, acs)).url)).toMatch(OUR_CODE);
    // The same answer is good as soon as the storage is.
    expect((await acs()).url).toContain('/finish');
  });

  test('an issuer’s token whose user is looked up, and a virtual key', async () => {
    const key = await made(root, '/api/keys', { name: 'plain' });
    const jwt = await token();
    expect(await broken(['identities'], () => data(jwt))).toEqual({
      status: OURS,
      code: expect.stringMatching(OUR_CODE),
    });
    expect((await broken(['settings', 'identities'], () => data(key.key))).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect((await data(jwt)).status).toBe(200);
  });
});

describe('time passes', () => {
  /** Sends the headers, waits, then the body. */
  function slowly(bearer: string, waitMs: number): Promise<number> {
    const body = JSON.stringify({
      model: 'sim/gpt',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 3,
    });
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        `${gateway.url}/v1/chat/completions`,
        {
          method: 'POST',
          headers: {
            authorization: `Bearer ${bearer}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      request.on('error', reject);
      request.write(body.slice(0, 10));
      setTimeout(() => request.end(body.slice(10)), waitMs);
    });
  }

  test('a good token stays good while its body arrives', async () => {
    expect(await slowly(await token(), 2500)).toBe(200);
  });

  test('a token in the query of a Gemini call is checked as one in a header', async () => {
    const body = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] });
    const at = (key: string) =>
      fetch(`${gateway.url}/v1beta/models/sim%2Fgpt:generateContent?key=${key}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
    expect((await at(await token())).status).toBe(200);
    expect((await at(`${(await token()).slice(0, -9)}AAAAAAAAA`)).status).toBe(401);
  });

  test('an issuer that is down stays the reason while the body arrives', async () => {
    const port = await freePort();
    const other = await startGateway({
      port,
      yaml: `version: 1
access: { mode: keys }
sign_in:
  tokens: [{ name: ci, issuer: '${issuer}', audience: sluice, allow_private_network: true, rules: [{}] }]
`,
    });
    jwks = 'down';
    const kept = gateway;
    gateway = other;
    try {
      expect(await slowly(await token(), 2500)).toBe(502);
    } finally {
      gateway = kept;
      jwks = 'up';
      await other.close();
    }
  });
});
