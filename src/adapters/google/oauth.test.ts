import { createVerify, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  attemptText,
  type Got,
  type Loopback,
  listenLoopback,
  routed,
  runtimeOf,
} from '../../../test/support/attempts.ts';
import type { Account } from '../../ports/authorizer.ts';
import type { UpstreamRequest } from '../../ports/upstream.ts';
import { openUpstream } from '../http1/upstream.ts';
import { systemClock } from '../system/clock.ts';
import { createGoogleAuthorizer } from './oauth.ts';
import { googleSettings, parseServiceAccount } from './service-account.ts';
import { TokenSource } from './token-source.ts';

const pair = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const never = new AbortController().signal;
const REQUEST = {} as UpstreamRequest;

function serviceAccount(tokenUri: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    type: 'service_account',
    project_id: 'from-json',
    private_key: pair.privateKey,
    client_email: 'robot@from-json.iam.gserviceaccount.com',
    token_uri: tokenUri,
    ...more,
  });
}

function accountOf(settings: Readonly<Record<string, string>>): Account {
  return { provider: 'google', scheme: { type: 'google-oauth' }, region: undefined, settings };
}

function claimsOf(got: Got): Record<string, unknown> {
  const form = new URLSearchParams(got.body.toString());
  expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
  const [head = '', body = '', signature = ''] = (form.get('assertion') ?? '').split('.');
  const verified = createVerify('RSA-SHA256')
    .update(`${head}.${body}`)
    .verify(pair.publicKey, signature, 'base64url');
  expect(verified).toBe(true);
  return JSON.parse(Buffer.from(body, 'base64url').toString());
}

type Answering = (got: Got, response: ServerResponse) => void;

const servers: Loopback[] = [];
const answer =
  (status: number, body: unknown): Answering =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
let count = 0;
const freshToken: Answering = (got, response) =>
  answer(200, { access_token: `token-${++count}`, expires_in: 3600, token_type: 'Bearer' })(got, response);

async function listen(answering: Answering): Promise<Loopback> {
  const server = await listenLoopback(answering);
  servers.push(server);
  return server;
}

const upstream = openUpstream({ maxConnections: 4 });

beforeEach(() => {
  count = 0;
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe('an access token', () => {
  it('is had once for a signed assertion, however many ask', async () => {
    const tokens = await listen(freshToken);
    const authorizer = createGoogleAuthorizer({ clock: systemClock, upstream });
    const account = accountOf({ service_account_json: serviceAccount(`${tokens.url}/token`) });
    const ask = () => authorizer.authorize(REQUEST, account, never);
    const all = await Promise.all([ask(), ask(), ask()]);
    expect([...all, await ask()]).toEqual(Array(4).fill({ authorization: 'Bearer token-1' }));
    expect(tokens.got).toHaveLength(1);
    const [got] = tokens.got;
    expect(got?.path).toBe('/token');
    expect(got && claimsOf(got)).toMatchObject({
      iss: 'robot@from-json.iam.gserviceaccount.com',
      aud: `${tokens.url}/token`,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
    });
  });

  it('outlives a client that leaves while it is fetched', async () => {
    let release = () => {};
    const asked = new Promise<void>((resolve) => {
      release = resolve;
    });
    let reply = () => {};
    const tokens = await listen((got, response) => {
      reply = () => freshToken(got, response);
      release();
    });
    const authorizer = createGoogleAuthorizer({ clock: systemClock, upstream });
    const account = accountOf({ service_account_json: serviceAccount(tokens.url) });
    const leaving = new AbortController();
    const left = authorizer.authorize(REQUEST, account, leaving.signal);
    const staying = authorizer.authorize(REQUEST, account, never);
    await asked;
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'client_closed' });
    reply();
    expect(await staying).toEqual({ authorization: 'Bearer token-1' });
    expect(tokens.got).toHaveLength(1);
  });
});

describe('a token that cannot be had', () => {
  it('fails with a sentence that holds nothing secret', async () => {
    const tokens = await listen(answer(400, { error: 'invalid_grant', error_description: 'SECRET text' }));
    const authorizer = createGoogleAuthorizer({ clock: systemClock, upstream });
    const fail = (settings: Record<string, string>) =>
      authorizer.authorize(REQUEST, accountOf(settings), never).catch((error) => error);
    const refused = await fail({ service_account_json: serviceAccount(tokens.url) });
    expect(refused).toMatchObject({ code: 'upstream_auth', status: 502, retry: 'next' });
    expect(refused.message).toBe(
      'The token endpoint refused the service account of `google` (HTTP 400, invalid_grant).',
    );
    expect(refused.facts.cause).toBeUndefined();
    const unusable = await fail({
      service_account_json: serviceAccount(tokens.url, { private_key: 'SECRET' }),
    });
    expect(unusable).toMatchObject({ code: 'upstream_auth' });
    const missing = await fail({ service_account_file: '/nowhere/SECRET.json' });
    expect(missing.message).toBe('The service account of `google` cannot be read.');
    const none = await fail({});
    expect(none).toMatchObject({ code: 'upstream_auth' });
    for (const { message } of [refused, unusable, missing, none]) expect(message).not.toContain('SECRET');
  });

  it('is given up when the endpoint does not answer in time', async () => {
    const tokens = await listen(() => undefined);
    const authorizer = createGoogleAuthorizer({ clock: systemClock, upstream, fetchTimeoutMs: 500 });
    const account = accountOf({ service_account_json: serviceAccount(tokens.url) });
    const startedAt = performance.now();
    await expect(authorizer.authorize(REQUEST, account, never)).rejects.toMatchObject({
      code: 'upstream_auth',
    });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(tokens.got.length).toBeGreaterThan(0);
  });

  it('is not read from an endless answer, nor from where a redirect leads', async () => {
    const ask = async (answering: Answering) => {
      const { url } = await listen(answering);
      const authorizer = createGoogleAuthorizer({ clock: systemClock, upstream });
      const account = accountOf({ service_account_json: serviceAccount(url) });
      return authorizer.authorize(REQUEST, account, never).catch((error) => error);
    };
    const long = await ask(answer(200, { access_token: 'a'.repeat(70_000), expires_in: 3600 }));
    expect(long).toMatchObject({ code: 'upstream_auth' });
    const elsewhere = await listen(freshToken);
    const redirected = await ask((_, response) => {
      response.writeHead(307, { location: elsewhere.url });
      response.end();
    });
    expect(redirected).toMatchObject({ code: 'upstream_auth' });
    expect(elsewhere.got).toHaveLength(0);
  });

  it('is asked for again after one failure of the endpoint', async () => {
    const tokens = await listen((got, response) =>
      (tokens.got.length === 1 ? answer(503, {}) : freshToken)(got, response),
    );
    const authorizer = createGoogleAuthorizer({ clock: systemClock, upstream });
    const account = accountOf({ service_account_json: serviceAccount(tokens.url) });
    expect(await authorizer.authorize(REQUEST, account, never)).toEqual({ authorization: 'Bearer token-1' });
    expect(tokens.got).toHaveLength(2);
  });
});

describe('keeping a token fresh', () => {
  let now = 0;
  let fetched = 0;
  let failing = false;
  const clock = { ...systemClock, monotonic: () => now };
  const open = () =>
    new TokenSource(clock, async () => {
      fetched++;
      if (failing) throw new Error('refused');
      return { value: `t${fetched}`, lifetimeMs: 3_600_000 };
    });
  beforeEach(() => {
    [now, fetched, failing] = [0, 0, false];
  });

  it('renews it in the background near its end, and waits once it is too old', async () => {
    const source = open();
    expect(await source.get()).toBe('t1');
    now = 3_299_999;
    expect(await source.get()).toBe('t1');
    expect(fetched).toBe(1);
    now = 3_400_000;
    expect(await source.get()).toBe('t1');
    expect(fetched).toBe(2);
    await Promise.resolve();
    expect(await source.get()).toBe('t2');
    now += 3_570_000;
    expect(await source.get()).toBe('t3');
  });

  it('goes on with the old one while renewing fails, and does not ask in a flood', async () => {
    const source = open();
    await source.get();
    failing = true;
    now = 3_400_000;
    expect(await source.get()).toBe('t1');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await source.get()).toBe('t1');
    expect(fetched).toBe(2);
    now = 3_599_000;
    await expect(source.get()).rejects.toThrow('refused');
    await expect(source.get()).rejects.toThrow('refused');
    expect(fetched).toBe(3);
    failing = false;
    now += 1_001;
    expect(await source.get()).toBe('t4');
  });
});

describe('a service account', () => {
  it('is read from its JSON, and refused where it is none', () => {
    expect(parseServiceAccount(serviceAccount('https://oauth2.googleapis.com/token'))).toMatchObject({
      projectId: 'from-json',
      tokenUri: 'https://oauth2.googleapis.com/token',
    });
    expect(() => parseServiceAccount('{')).toThrow('is not valid JSON');
    expect(() => parseServiceAccount('{"type":"authorized_user"}')).toThrow('`authorized_user` credentials');
    expect(() => parseServiceAccount(serviceAccount('http://token.example'))).toThrow('not https');
    expect(() => parseServiceAccount(serviceAccount('https://t.example', { private_key: '' }))).toThrow(
      '`private_key`',
    );
  });

  it('comes from the environment where none is given, its project with it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
    try {
      const file = join(folder, 'account.json');
      writeFileSync(file, serviceAccount('https://oauth2.googleapis.com/token'));
      const environment = { GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_CLOUD_PROJECT: 'other' };
      expect(googleSettings({}, environment)).toEqual({ service_account_file: file, project: 'from-json' });
      expect(googleSettings({ project: 'mine' }, environment)['project']).toBe('mine');
      const json = serviceAccount('https://oauth2.googleapis.com/token', { project_id: 'inline' });
      expect(googleSettings({ service_account_json: json }, environment)).toEqual({
        service_account_json: json,
        project: 'inline',
      });
      expect(googleSettings({ service_account_file: join(folder, 'none') }, {})['project']).toBeUndefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const CHAT = { model: 'vertex/gemini-2.5-flash', messages: [{ role: 'user', content: 'Hello' }] };
const candidate = (text: string, more = {}) => ({
  candidates: [{ index: 0, content: { role: 'model', parts: [{ text }] }, ...more }],
  usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 },
});

/** Answers like Vertex to those who bring a token, and 401 to all others. */
const vertex: Answering = (got, response) => {
  if (!/^Bearer (token-\d|access)$/.test(String(got.headers['authorization']))) {
    answer(401, { error: { code: 401, status: 'UNAUTHENTICATED', message: 'no' } })(got, response);
  } else if (got.path.includes(':streamGenerateContent')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify(candidate('Hal'))}\r\n\r\n`);
    response.end(`data: ${JSON.stringify(candidate('lo', { finishReason: 'STOP' }))}\r\n\r\n`);
  } else answer(200, candidate('Hallo', { finishReason: 'STOP' }))(got, response);
};

describe('Vertex on this machine', () => {
  const place = '/projects/from-json/locations/europe-west4/publishers/google/models/gemini-2.5-flash';

  async function start(answering: Answering) {
    const tokens = await listen(answering);
    const google = await listen(vertex);
    const credentials = { service_account_json: serviceAccount(tokens.url) };
    return { tokens, google, entry: { base_url: google.url, region: 'europe-west4', credentials } };
  }

  it('is called with a token in the account’s own project, whole and streamed', async () => {
    const { google, entry } = await start(freshToken);
    const runtime = runtimeOf({ providers: { vertex: entry } });
    expect(await attemptText(routed(runtime, CHAT, { ownCredential: 'sk-client' }))).toBe('Hallo');
    expect(await attemptText(routed(runtime, { ...CHAT, stream: true }))).toBe('Hallo');
    expect(google.got.map(({ path }) => path)).toEqual([
      `/v1beta1${place}:generateContent`,
      `/v1beta1${place}:streamGenerateContent?alt=sse`,
    ]);
    expect(google.got[0]?.headers['authorization']).toBe('Bearer token-1');
    expect(JSON.parse(String(google.got[0]?.body)).contents[0].parts[0].text).toBe('Hello');
  });

  it('takes an access token as it is', async () => {
    const { tokens, google, entry } = await start(freshToken);
    const runtime = runtimeOf({ providers: { vertex: { ...entry, api_key: 'access' } } });
    expect(await attemptText(routed(runtime, CHAT))).toBe('Hallo');
    expect(google.got[0]?.headers['authorization']).toBe('Bearer access');
    expect(tokens.got).toHaveLength(0);
  });

  it('is passed over when no token can be had', async () => {
    const { google, entry } = await start(answer(401, { error: 'invalid_client' }));
    const deployments = ['refused', 'good'].map((provider) => ({ provider, model: 'gemini-2.5-flash' }));
    const runtime = runtimeOf({
      providers: {
        refused: { type: 'vertex', ...entry },
        good: { type: 'vertex', base_url: google.url, api_key: 'access', credentials: { project: 'p' } },
      },
      models: { m: { deployments } },
    });
    const exchange = routed(runtime, { ...CHAT, model: 'm' });
    expect(await attemptText(exchange)).toBe('Hallo');
    expect(exchange.facts.attempts).toMatchObject([
      { provider: 'refused', error: 'upstream_auth' },
      { provider: 'good', status: 200 },
    ]);
  });

  it('is passed over when nobody says which project', async () => {
    const { google } = await start(freshToken);
    const deployments = ['nowhere', 'good'].map((provider) => ({ provider, model: 'gemini-2.5-flash' }));
    const broken = { service_account_file: '/nowhere/account.json' };
    const runtime = runtimeOf({
      providers: {
        nowhere: { type: 'vertex', base_url: google.url, credentials: broken },
        good: { type: 'vertex', base_url: google.url, api_key: 'access', credentials: { project: 'p' } },
      },
      models: { m: { deployments } },
    });
    expect(await attemptText(routed(runtime, { ...CHAT, model: 'm' }))).toBe('Hallo');
  });

  it('stops waiting for a token when the client leaves', async () => {
    const leaving = new AbortController();
    const { google, entry } = await start(() => leaving.abort());
    const exchange = routed(runtimeOf({ providers: { vertex: entry } }), CHAT, { signal: leaving.signal });
    await expect(attemptText(exchange)).rejects.toMatchObject({ code: 'client_closed' });
    expect(google.got).toHaveLength(0);
  });
});
