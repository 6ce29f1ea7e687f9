import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';

interface Pair {
  readonly key: CryptoKey;
  readonly jwk: JWK;
}

async function pair(kid: string, alg = 'RS256'): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

let issuer: string;
let server: Server;
let published: JWK[] = [];
let fetches = 0;
let mode: 'up' | 'down' | 'slow' = 'up';
let first: Pair;
let stranger: Pair;
let gateway: TestGateway;

beforeAll(async () => {
  first = await pair('one');
  stranger = await pair('one');
  published = [first.jwk];
  server = createServer((request, response) => {
    fetches += 1;
    if (mode === 'down') return void request.socket.destroy();
    const body = JSON.stringify(
      request.url?.includes('well-known') === true
        ? { issuer, jwks_uri: `${issuer}/keys` }
        : { keys: published },
    );
    setTimeout(
      () => response.setHeader('content-type', 'application/json').end(body),
      mode === 'slow' ? 400 : 0,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  gateway = await startGateway({
    yaml: `version: 1
access: { mode: keys }
teams:
  - { id: search, name: Search }
sign_in:
  tokens:
    - name: ci
      issuer: ${issuer}
      audience: sluice
      allow_private_network: true
      cache_s: 1
      user: linked
      rules:
        - when: { role: strong, 'realm.env': prod }
          team_id: search
        - when: { groups: writers }
          team_id: search
          models: ['sim/gpt']
          operations: [chat]
`,
  });
});

afterAll(async () => {
  await gateway?.close();
  server?.closeAllConnections();
  server?.close();
});

interface Made {
  readonly claims?: Record<string, unknown>;
  readonly by?: Pair;
  readonly header?: Record<string, unknown>;
  readonly change?: (jwt: SignJWT) => SignJWT;
}

function token({
  claims = { groups: ['readers', 'writers'] },
  by = first,
  header = {},
  change,
}: Made = {}): Promise<string> {
  const jwt = new SignJWT({ jti: crypto.randomUUID(), ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: by.jwk.kid ?? '', ...header })
    .setIssuer(issuer)
    .setAudience('sluice')
    .setSubject('robot')
    .setIssuedAt()
    .setExpirationTime('5m');
  return (change?.(jwt) ?? jwt).sign(by.key);
}

async function ask(bearer: string, model = 'sim/gpt'): Promise<{ status: number; code: string | null }> {
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 3 }),
  });
  await answer.arrayBuffer();
  return { status: answer.status, code: answer.headers.get('x-sluice-error') };
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function mutations(): Promise<readonly (readonly [string, string])[]> {
  const good = await token();
  const [head = '', body = '', signature = ''] = good.split('.');
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString());
  const header = JSON.parse(Buffer.from(head, 'base64url').toString());
  const hmac = async (secret: string) =>
    new SignJWT(payload)
      .setProtectedHeader({ alg: 'HS256', kid: 'one' })
      .sign(new TextEncoder().encode(secret));
  const withHeader = (extra: object) => `${part({ ...header, ...extra })}.${body}.${signature}`;
  const withClaims = (extra: object) => `${head}.${part({ ...payload, ...extra })}.${signature}`;
  return [
    ['alg none', `${part({ alg: 'none' })}.${body}.`],
    ['alg None', `${part({ alg: 'None' })}.${body}.`],
    ['alg NONE, signature kept', `${part({ alg: 'NONE' })}.${body}.${signature}`],
    ['alg none, signature kept', withHeader({ alg: 'none' })],
    ['HMAC with the public key', await hmac(JSON.stringify(first.jwk))],
    ['HMAC with its modulus', await hmac(first.jwk.n ?? '')],
    ['HMAC with an empty-looking secret', await hmac(' '.repeat(32))],
    ['signature cut off', `${head}.${body}.`],
    ['signature left out', `${head}.${body}`],
    ['signature shortened', good.slice(0, -8)],
    ['signature of another token', `${head}.${body}.${(await token()).split('.')[2]}`],
    ['signature reversed', `${head}.${body}.${[...signature].reverse().join('')}`],
    ['subject changed', withClaims({ sub: 'root' })],
    ['groups changed', withClaims({ role: 'strong', realm: { env: 'prod' } })],
    ['end moved', withClaims({ exp: payload.exp + 9999 })],
    ['another key, same id', await token({ by: stranger })],
    ['key brought along (jwk)', await token({ by: stranger, header: { jwk: stranger.jwk } })],
    ['key elsewhere (jku)', await token({ by: stranger, header: { jku: 'http://127.0.0.1:1/keys' } })],
    ['key elsewhere (x5u)', await token({ by: stranger, header: { x5u: 'http://127.0.0.1:1/keys' } })],
    ['key id is a path', await token({ by: stranger, header: { kid: '../../../../dev/null' } })],
    ['unknown critical header', withHeader({ crit: ['x'], x: 1 })],
    ['another algorithm in the header', withHeader({ alg: 'RS512' })],
    ['wrong audience', await token({ change: (jwt) => jwt.setAudience('other') })],
    ['audience with our name inside', await token({ change: (jwt) => jwt.setAudience('sluice.evil') })],
    ['audience missing', await token({ change: (jwt) => jwt.setAudience([]) })],
    ['expired', await token({ change: (jwt) => jwt.setExpirationTime(1_000_000_000) })],
    ['not yet', await token({ change: (jwt) => jwt.setNotBefore('1h') })],
    ['subject empty', await token({ change: (jwt) => jwt.setSubject('') })],
    ['issuer with a slash', await token({ change: (jwt) => jwt.setIssuer(`${issuer}/`) })],
    ['issuer of somebody else', await token({ change: (jwt) => jwt.setIssuer('https://evil.example') })],
    ['a fourth part', `${good}.${signature}`],
    ['extra bytes after the payload', `${head}.${body}AA.${signature}`],
    ['encrypted form', `${part({ alg: 'dir', enc: 'A256GCM' })}..AAAA.AAAA.AAAA`],
    ['payload is a list', `${head}.${part([payload])}.${signature}`],
  ];
}

describe('tokens of an issuer on the data plane', () => {
  test('a token may do what its rule says, and no more', async () => {
    const writer = await token();
    expect(await ask(writer)).toEqual({ status: 200, code: null });
    expect(await ask(writer, 'sim/claude')).toMatchObject({ status: 403, code: 'model_forbidden' });
    const strong = await token({ claims: { role: 'strong', realm: { env: 'prod' } } });
    expect((await ask(strong, 'sim/claude')).status).toBe(200);
    const nobody = await token({ claims: { role: 'strong', realm: { env: 'dev' } } });
    expect(await ask(nobody)).toEqual({ status: 403, code: 'forbidden' });
    const { body } = await admin(gateway).call(
      'GET',
      '/api/exchanges?limit=1&model=sim/claude&team_id=search',
    );
    expect(body.data[0]?.key_id ?? body.data[0]?.key?.id ?? '').toMatch(/^jwt_/);
  });

  test('34 mutations, none accepted, and none is an inner error', async () => {
    const all = await mutations();
    expect(all.length).toBeGreaterThanOrEqual(30);
    const accepted: string[] = [];
    for (const [name, bad] of all) {
      const { status } = await ask(bad);
      if (status !== 401) accepted.push(`${name}: ${status}`);
    }
    expect(accepted).toEqual([]);
  });

  test('a blocked team holds for the next request', async () => {
    const writer = await token();
    expect((await ask(writer)).status).toBe(200);
    await admin(gateway).call('PATCH', '/api/teams/search', { blocked: true });
    expect(await ask(writer)).toEqual({ status: 401, code: 'key_blocked' });
    await admin(gateway).call('PATCH', '/api/teams/search', { blocked: false });
    expect((await ask(writer)).status).toBe(200);
  });

  test('keys are rotated: the new one is found, with one fetch however many ask', async () => {
    const next = await pair('two');
    published = [next.jwk];
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const before = fetches;
    mode = 'slow';
    const tokens = await Promise.all(Array.from({ length: 20 }, () => token({ by: next })));
    const answers = await Promise.all(tokens.map((one) => ask(one)));
    mode = 'up';
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    // Discovery and the key set.
    expect(fetches - before).toBe(2);
    expect((await ask(await token({ by: first }))).status).toBe(401);
    first = next;
  });

  test('an issuer that is down: known keys go on, and nobody is told that his token is bad', async () => {
    mode = 'down';
    expect((await ask(await token())).status).toBe(200);
    // Signed with a key the issuer may have made since: nobody can tell now, at once or in the seconds after.
    const rotated = await pair('newer');
    const unknown = { status: 502, code: 'upstream_unreachable' };
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect(await ask(await token({ by: rotated }))).toEqual(unknown);
    expect(await ask(await token({ by: rotated }))).toEqual(unknown);
    mode = 'up';
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await ask(await token({ by: rotated }))).status).toBe(401);
    published = [first.jwk, rotated.jwk];
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await ask(await token({ by: rotated }))).status).toBe(200);
    mode = 'down';
    const fresh = await startGateway({
      yaml: `version: 1
access: { mode: keys }
sign_in:
  tokens:
    - { name: ci, issuer: '${issuer}', audience: sluice, allow_private_network: true, rules: [{}] }
`,
    });
    const answer = await fetch(`${fresh.url}/v1/models`, {
      headers: { authorization: `Bearer ${await token()}` },
    });
    expect(answer.status).toBe(502);
    expect(answer.headers.get('x-sluice-error')).toBe('upstream_unreachable');
    // Virtual keys and the admin key are nobody else's business.
    const key = await made(admin(fresh), '/api/keys', { name: 'plain' });
    const plain = await fetch(`${fresh.url}/v1/models`, { headers: { authorization: `Bearer ${key.key}` } });
    expect(plain.status).toBe(200);
    await fresh.close();
    mode = 'up';
  });
});
