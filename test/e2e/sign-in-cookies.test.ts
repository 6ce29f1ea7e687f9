import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer, request as httpsRequest, type Server } from 'node:https';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTRACT } from '../../src/control/contract.ts';
import type { Endpoint } from '../../src/control/endpoint.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';

// T17: cross-site requests, cookies behind TLS, session fixation. The proxy is a real one that ends TLS.

let gateway: TestGateway;
let cookie = '';

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function cookieOf(answer: Response): string {
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

async function openSession(at: TestGateway, more: Record<string, string> = {}): Promise<Response> {
  const token = (await at.gateway.signInLink()).split('#')[1];
  return fetch(`${at.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...more },
    body: JSON.stringify({ token }),
  });
}

beforeAll(async () => {
  gateway = await startGateway({ yaml: 'version: 1\naccess: { mode: keys }\n' });
  cookie = cookieOf(await openSession(gateway));
  expect(cookie).toMatch(/^sluice_session=/);
});

afterAll(() => gateway?.close());

/** A path of the contract with something in the place of its parameters. */
function filled({ path }: Endpoint): string {
  return path.replace(/:\w+/g, 'x');
}

const writes = (Object.entries(CONTRACT) as [string, Endpoint][]).filter(
  ([, { method }]) => method !== 'GET',
);

/** As a browser sends it; `fetch` of Node.js would not let `Sec-Fetch-Site` and `Host` through. */
function send(
  endpoint: Endpoint,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; code: string }> {
  const { port } = new URL(gateway.url);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port, path: filled(endpoint), method: endpoint.method, headers },
      (answer) => {
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => {
          const code = text.startsWith('{') ? JSON.parse(text).error?.code : '';
          resolve({ status: answer.statusCode ?? 0, code });
        });
      },
    );
    request.on('error', reject);
    request.end(endpoint.method === 'DELETE' ? undefined : '{}');
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** What another site can make a browser send, with the cookie as if `SameSite` did not exist. */
const FOREIGN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a foreign origin': { ...JSON_TYPE, origin: 'https://evil.example' },
  'a form of another site': { 'content-type': 'text/plain', origin: 'https://evil.example' },
  'an origin that hides itself': { ...JSON_TYPE, origin: 'null' },
  'no origin at all': JSON_TYPE,
  'another port of the same host': { ...JSON_TYPE, origin: 'http://127.0.0.1:1' },
  'a host that begins alike': { ...JSON_TYPE, origin: 'http://127.0.0.1.evil.example' },
  'a browser that says cross-site': { ...JSON_TYPE, 'sec-fetch-site': 'cross-site' },
  'a browser that says same-site': { ...JSON_TYPE, 'sec-fetch-site': 'same-site' },
};

describe('cross-site requests (T17)', () => {
  test.each(Object.entries(FOREIGN))(
    '%s: every write of the contract is refused, with nothing done',
    async (_, extra) => {
      expect(writes.length).toBeGreaterThan(70);
      const before = (await admin(gateway).call('GET', '/api/audit?limit=1')).body.data[0]?.sequence ?? 0;
      const let_in: string[] = [];
      for (const [name, endpoint] of writes) {
        const { status } = await send(endpoint, { ...extra, cookie });
        if (status !== 403) let_in.push(`${name}: ${status}`);
      }
      expect(let_in).toEqual([]);
      const after = (await admin(gateway).call('GET', '/api/audit?limit=500')).body.data;
      const asked = after.filter(
        ({ sequence, action }: { sequence: number; action: string }) =>
          sequence > before && action.endsWith('.asked'),
      );
      expect(asked).toEqual([]);
    },
  );

  test('our own page may write: the same calls are not refused for where they come from', async () => {
    const origin = gateway.url;
    for (const [name, endpoint] of writes.filter(([name]) => name !== 'closeSession')) {
      const { status, code } = await send(endpoint, { ...JSON_TYPE, origin });
      // Without a cookie: signing in comes first, and is said so.
      expect([name, [400, 401, 404].includes(status), code === 'forbidden']).toEqual([name, true, false]);
    }
    const team = await fetch(`${origin}/api/teams`, {
      method: 'POST',
      headers: { ...JSON_TYPE, origin, cookie },
      body: JSON.stringify({ name: 'ours' }),
    });
    expect(team.status).toBe(200);
  });

  test('a cookie speaks for nobody on the data plane, to SCIM, or beside a Bearer that is wrong', async () => {
    const chat = await fetch(`${gateway.url}/v1/models`, { headers: { cookie } });
    expect(chat.status).toBe(401);
    const scim = await fetch(`${gateway.url}/scim/v2/Users`, { headers: { cookie } });
    expect(scim.status).toBe(401);
    const beside = await fetch(`${gateway.url}/api/me`, {
      headers: { cookie, authorization: 'Bearer wrong' },
    });
    expect(beside.status).toBe(401);
  });
});

describe('session fixation (T17)', () => {
  test.each(['link', 'password'])(
    'an id that was there before is never the one after signing in: %s',
    async (how) => {
      const root = admin(gateway);
      const planted =
        how === 'link' ? 'sluice_session=planted-by-somebody' : cookieOf(await openSession(gateway));
      let answer: Response;
      if (how === 'link') answer = await openSession(gateway, { cookie: planted, origin: gateway.url });
      else {
        const user = await made(root, '/api/users', {
          name: 'Ada',
          email: 'ada@example.com',
          role: 'member',
        });
        const { url } = await made(root, '/api/invitations', { user_id: user.id });
        const token = String(url).split('#invite=')[1];
        answer = await fetch(`${gateway.url}/api/sign-in/invitation`, {
          method: 'POST',
          headers: { ...JSON_TYPE, origin: gateway.url, cookie: planted },
          body: JSON.stringify({ token, password: 'four-brave-otters-run' }),
        });
      }
      expect(answer.status).toBe(200);
      const given = cookieOf(answer);
      expect(given).not.toBe(planted);
      const at = async (value: string) =>
        (await fetch(`${gateway.url}/api/me`, { headers: { cookie: value } })).status;
      expect([await at(given), await at(planted)]).toEqual([200, 401]);
    },
  );
});

describe('behind a proxy that ends TLS', () => {
  let folder: string;
  let proxy: Server;
  let proxyPort: number;
  let behind: TestGateway;
  let port: number;
  let forwarded: Record<string, string> = {};

  async function start(server: string): Promise<void> {
    behind = await startGateway({ port, yaml: `version: 1\nserver: { port: ${port}, ${server} }\n` });
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '2',
        '-subj',
        '/CN=localhost',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    port = await freePort();
    proxy = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
      const headers = { ...request.headers, 'x-forwarded-for': '203.0.113.7', ...forwarded };
      const onward = httpRequest(
        { host: '127.0.0.1', port, path: request.url, method: request.method, headers },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    proxyPort = (proxy.address() as AddressInfo).port;
  });

  afterAll(async () => {
    proxy?.closeAllConnections();
    proxy?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Over TLS to the proxy, as the browser of `https://localhost:PORT` does. */
  function secure(method: string, path: string, headers: Record<string, string>, body?: object) {
    return new Promise<{ status: number; cookies: string[] }>((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: proxyPort,
          path,
          method,
          rejectUnauthorized: false,
          headers: {
            host: `localhost:${proxyPort}`,
            ...(body === undefined ? {} : JSON_TYPE),
            ...headers,
          },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, cookies: answer.headers['set-cookie'] ?? [] }),
          );
        },
      );
      request.on('error', reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async function signIn(): Promise<string> {
    const origin = `https://localhost:${proxyPort}`;
    const token = (await behind.gateway.signInLink()).split('#')[1];
    const { status, cookies } = await secure('POST', '/api/session', { origin }, { token });
    expect(status).toBe(200);
    return cookies[0] ?? '';
  }

  test.each(['public_url', 'trusted_proxies'])(
    '`__Host-`, Secure, and the session works: %s',
    async (how) => {
      forwarded = { 'x-forwarded-proto': 'https' };
      await start(
        how === 'public_url'
          ? `public_url: 'https://localhost:${proxyPort}'`
          : 'trusted_proxies: [127.0.0.1]',
      );
      try {
        const set = await signIn();
        expect(set).toMatch(/^__Host-sluice=/);
        for (const part of ['Secure', 'HttpOnly', 'SameSite=Strict', 'Path=/']) expect(set).toContain(part);
        expect(set).not.toMatch(/Domain=/i);
        const own = set.split(';')[0] ?? '';
        const origin = `https://localhost:${proxyPort}`;
        expect((await secure('GET', '/api/me', { cookie: own })).status).toBe(200);
        expect((await secure('POST', '/api/teams', { cookie: own, origin }, { name: 'x' })).status).toBe(200);
        // A cookie that a page without TLS could have set is not looked at.
        const plain = own.replace('__Host-sluice', 'sluice_session');
        expect((await secure('GET', '/api/me', { cookie: plain })).status).toBe(401);
        // Nor may the page of the same name without TLS write.
        const downgraded = { cookie: own, origin: `http://localhost:${proxyPort}` };
        expect((await secure('POST', '/api/teams', downgraded, { name: 'y' })).status).toBe(403);
        const closed = await secure('DELETE', '/api/session', { cookie: own, origin });
        expect(closed.cookies[0]).toMatch(/^__Host-sluice=;/);
        expect((await secure('GET', '/api/me', { cookie: own })).status).toBe(401);
      } finally {
        await behind.close();
      }
    },
  );

  test('a stranger who claims TLS is not believed', async () => {
    forwarded = {};
    await start('trusted_proxies: [192.0.2.1]');
    try {
      const answer = await openSession(behind, { 'x-forwarded-proto': 'https' });
      expect(answer.headers.get('set-cookie')).toMatch(/^sluice_session=/);
      expect(answer.headers.get('set-cookie')).not.toContain('Secure');
    } finally {
      await behind.close();
    }
  });
});
