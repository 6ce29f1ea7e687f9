import {
  createHash,
  createHmac,
  createVerify,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';
import { startIdp } from '../support/oidc-idp.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

// The stores are small servers that speak the vendors' HTTP APIs and check how a call is signed; the gateway is whole.

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Reply = readonly [status: number, body: unknown] | 'hang up';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function fakeStore(reply: (asked: Asked) => Reply) {
  const asked: Asked[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
      asked.push(one);
      const answer = reply(one);
      if (answer === 'hang up') return void request.socket.destroy();
      response.writeHead(answer[0], { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer[1]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const store = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  open.push(store);
  return store;
}

async function provider(): Promise<TestUpstream> {
  const upstream = await startUpstream(chatAnswer('Hello'));
  open.push(upstream);
  return upstream;
}

async function gatewayWith(yaml: string, environment = {}): Promise<TestGateway> {
  const gateway = await startGateway({ yaml: `version: 1\n${yaml}`, environment });
  open.push(gateway);
  return gateway;
}

function ask(gateway: TestGateway, key?: string, model = 'home/m'): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body: JSON.stringify({ model, max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] }),
  });
}

const sentKeys = (upstream: TestUpstream) => upstream.seen.map(({ headers }) => headers.authorization);
const reference = async (gateway: TestGateway) =>
  (await admin(gateway).call('GET', '/api/secrets')).body.references[0];

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Signature Version 4 over what arrived, by AWS's description of its steps. */
function isSigned({ method, url, headers, body }: Asked, secret: string): boolean {
  const { authorization = '' } = headers;
  const [, id, day = '', region = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([\w-]+)\/secretsmanager\/aws4_request, SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  if (id !== 'AKIDEXAMPLE' || !['host', 'x-amz-date', 'x-amz-target'].every((name) => names.includes(name)))
    return false;
  const lines = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, url, '', lines.join(''), names, hex(body)].join('\n');
  const scope = `${day}/${region}/secretsmanager/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hex(canonical)].join('\n');
  const key = [day, region, 'secretsmanager', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex') === signature;
}

/** The assertion of a service account, as Google's token endpoint checks it. */
function isAssertion(text: string, account: { email: string; key: KeyObject; audience: string }): boolean {
  const [head = '', body = '', signature = ''] = text.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url').toString());
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  const signed = createVerify('RSA-SHA256')
    .update(`${head}.${body}`)
    .verify(account.key, Buffer.from(signature, 'base64url'));
  const now = Date.now() / 1000;
  return (
    signed &&
    header.alg === 'RS256' &&
    claims.iss === account.email &&
    claims.aud === account.audience &&
    String(claims.scope).includes('https://www.googleapis.com/auth/cloud-platform') &&
    claims.iat <= now + 5 &&
    claims.exp > now &&
    claims.exp - claims.iat <= 3600
  );
}

describe('the clouds’ stores, through the gateway', () => {
  test('AWS Secrets Manager: every call is signed; a wrong key pair is told, and nothing goes out without the key', async () => {
    const upstream = await provider();
    let secret = 'aws-key-pair-secret';
    const store = await fakeStore((asked) => {
      if (asked.headers['x-amz-target'] !== 'secretsmanager.GetSecretValue')
        return [400, { __type: 'UnknownOperationException' }];
      if (!isSigned(asked, secret)) return [400, { __type: 'InvalidSignatureException', message: 'no' }];
      const { SecretId: id } = JSON.parse(asked.body) as { SecretId: string };
      const body = { ARN: `arn:aws:secretsmanager:eu-central-1:1:secret:${id}-AbCdEf`, Name: id };
      return [200, { ...body, SecretString: '{"api_key":"sk-from-aws"}', VersionStages: ['AWSCURRENT'] }];
    });
    const gateway = await gatewayWith(
      `
secrets: { refresh_interval_s: 1, aws: { region: eu-central-1, endpoint: "${store.url}/" } }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "aws-sm:prod/openai#api_key" } }
`,
      { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'aws-key-pair-secret' },
    );
    expect((await ask(gateway)).status).toBe(200);
    expect(sentKeys(upstream)).toEqual(['Bearer sk-from-aws']);
    secret = 'another pair';
    await expect.poll(async () => (await reference(gateway)).state, { timeout: 5000 }).toBe('stale');
    expect((await reference(gateway)).problem).toContain('InvalidSignatureException');
    expect((await ask(gateway)).status).toBe(200);
    expect(sentKeys(upstream).at(-1)).toBe('Bearer sk-from-aws');
    const wrong = await gatewayWith(
      `
secrets: { aws: { region: eu-central-1, endpoint: "${store.url}/" } }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "aws-sm:prod/openai#api_key" } }
`,
      { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'aws-key-pair-secret' },
    );
    const before = upstream.seen.length;
    expect((await ask(wrong, 'sk-clients-own')).status).toBe(502);
    expect(upstream.seen.length).toBe(before);
  });

  test('Google Secret Manager: an assertion signed by the service account, a token, the secret', async () => {
    const upstream = await provider();
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const folder = mkdtempSync(join(tmpdir(), 'sluice-gsm-'));
    open.push({ close: () => rmSync(folder, { recursive: true, force: true }) });
    const email = 'sluice@p.iam.gserviceaccount.com';
    const store = await fakeStore(({ method, url, headers, body }) => {
      if (method === 'POST' && url === '/token') {
        const form = new URLSearchParams(body);
        const good =
          form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer' &&
          isAssertion(form.get('assertion') ?? '', { email, key: publicKey, audience: `${store.url}/token` });
        return good
          ? [200, { access_token: 'ya29.good', expires_in: 3599, token_type: 'Bearer' }]
          : [400, { error: 'invalid_grant' }];
      }
      if (headers.authorization !== 'Bearer ya29.good') return [401, { error: { code: 401 } }];
      if (url !== '/v1/projects/p/secrets/openai/versions/latest:access')
        return [404, { error: { code: 404 } }];
      const data = Buffer.from('sk-from-google').toString('base64');
      return [200, { name: 'projects/1/secrets/openai/versions/4', payload: { data, dataCrc32c: '1' } }];
    });
    const account = {
      type: 'service_account',
      project_id: 'p',
      private_key_id: randomBytes(8).toString('hex'),
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: email,
      token_uri: `${store.url}/token`,
    };
    writeFileSync(join(folder, 'sa.json'), JSON.stringify(account), { mode: 0o600 });
    const gateway = await gatewayWith(`
secrets: { google: { service_account_file: "${folder}/sa.json", endpoint: "${store.url}" } }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "gcp-sm:p/openai" } }
`);
    expect(await reference(gateway)).toMatchObject({ state: 'ok', problem: null });
    expect((await ask(gateway)).status).toBe(200);
    expect(sentKeys(upstream)).toEqual(['Bearer sk-from-google']);
    expect(gateway.logged.join()).not.toContain('sk-from-google');
  });

  test('Azure Key Vault: client credentials, and the wrong ones refused', async () => {
    const upstream = await provider();
    const store = await fakeStore(({ method, url, headers, body }) => {
      if (method === 'POST' && url === '/tenant-1/oauth2/v2.0/token') {
        const form = new URLSearchParams(body);
        const good =
          form.get('grant_type') === 'client_credentials' &&
          form.get('client_id') === 'app-1' &&
          form.get('client_secret') === 'app secret+/=' &&
          form.get('scope') === 'https://vault.azure.net/.default';
        return good
          ? [200, { token_type: 'Bearer', expires_in: 3599, access_token: 'eyJ.azure' }]
          : [401, { error: 'invalid_client', error_description: 'AADSTS7000215: leak nothing' }];
      }
      if (headers.authorization !== 'Bearer eyJ.azure')
        return [401, { error: { code: 'Unauthorized', message: 'AKV10000' } }];
      if (url !== '/secrets/openai?api-version=7.4') return [404, { error: { code: 'SecretNotFound' } }];
      return [
        200,
        { value: 'sk-from-azure', id: `${store.url}/secrets/openai/1`, attributes: { enabled: true } },
      ];
    });
    const yaml = (secret: string) => `
secrets: { azure: { tenant_id: tenant-1, client_id: app-1, client_secret: "${secret}", authority: "${store.url}", endpoint: "${store.url}" } }
providers: { home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "azure-kv:main/openai" } }
`;
    const gateway = await gatewayWith(yaml('app secret+/='));
    expect((await ask(gateway)).status).toBe(200);
    expect(sentKeys(upstream)).toEqual(['Bearer sk-from-azure']);
    const wrong = await gatewayWith(yaml('guess'));
    expect(await reference(wrong)).toMatchObject({
      state: 'failed',
      problem: 'Azure refused the client credentials (HTTP 401, invalid_client).',
    });
    expect((await ask(wrong, 'sk-clients-own')).status).toBe(502);
    expect(upstream.seen).toHaveLength(1);
  });
});

describe('a store that is down when the gateway starts', () => {
  async function dark() {
    const state = { up: false };
    const store = await fakeStore(() =>
      state.up ? [200, { data: { data: { value: 'sk-from-vault' }, metadata: {} } }] : 'hang up',
    );
    return { state, store };
  }

  test('the provider is unavailable, says so, and the caller’s own key does not take its place', async () => {
    const upstream = await provider();
    const { state, store } = await dark();
    const gateway = await gatewayWith(`
access: { mode: open }
secrets: { refresh_interval_s: 1, timeout_ms: 500, vault: { address: "${store.url}", token: hvs.t } }
providers:
  home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "vault:secret/data/x" }
  real: { type: openai, base_url: "${upstream.url}/v1", api_key: "vault:secret/data/x" }
  headed: { type: openai-compatible, base_url: "${upstream.url}/v1", headers: { X-Team-Key: "vault:secret/data/x" } }
  signing: { type: bedrock, region: us-east-1, base_url: "${upstream.url}", credentials: { access_key_id: AKID, secret_access_key: "vault:secret/data/x" } }
  pool: { type: openai-compatible, base_url: "${upstream.url}/v1", api_keys: ["vault:secret/data/x", "sk-plain"] }
`);
    const own = 'sk-the-clients-own-key';
    for (const model of ['home/m', 'real/gpt-4o', 'headed/m', 'signing/m']) {
      const answer = await ask(gateway, own, model);
      expect([model, answer.status, answer.headers.get('x-sluice-error')]).toEqual([
        model,
        502,
        'upstream_auth',
      ]);
      const { error } = (await answer.json()) as { error: { message: string } };
      expect(error.message).toContain('could not read its secret');
      expect(error.message).not.toContain('vault:');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    const embeddings = await fetch(`${gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${own}` },
      body: JSON.stringify({ model: 'home/e', input: 'x' }),
    });
    expect(embeddings.status).toBe(502);
    const direct = await fetch(`${gateway.url}/passthrough/home/models`, {
      headers: { authorization: `Bearer ${own}` },
    });
    expect(direct.status).toBe(502);
    expect(upstream.seen).toEqual([]);
    // One key of a pool is enough.
    expect((await ask(gateway, undefined, 'pool/m')).status).toBe(200);
    expect(sentKeys(upstream)).toEqual(['Bearer sk-plain']);
    state.up = true;
    await expect
      .poll(async () => (await ask(gateway, undefined)).status, { timeout: 15_000, interval: 300 })
      .toBe(200);
    expect(sentKeys(upstream).at(-1)).toBe('Bearer sk-from-vault');
    expect((await ask(gateway, own, 'home/m')).status).toBe(200);
    expect(sentKeys(upstream)).not.toContain(`Bearer ${own}`);
  });

  test('the model’s other deployments answer meanwhile', async () => {
    const upstream = await provider();
    const { store } = await dark();
    const gateway = await gatewayWith(`
secrets: { timeout_ms: 500, vault: { address: "${store.url}", token: hvs.t } }
providers:
  home: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "vault:secret/data/x" }
  away: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: sk-away }
models:
  smart: { deployments: [{ provider: home, model: m }, { provider: away, model: m }] }
`);
    for (let round = 0; round < 6; round += 1)
      expect((await ask(gateway, undefined, 'smart')).status).toBe(200);
    expect(new Set(sentKeys(upstream))).toEqual(new Set(['Bearer sk-away']));
  });

  test('a key that stands in the environment as a reference is bound by the same', async () => {
    const upstream = await provider();
    const { store } = await dark();
    const gateway = await gatewayWith(
      `
secrets: { timeout_ms: 500, vault: { address: "${store.url}", token: hvs.t } }
providers: { home: { type: openai, base_url: "${upstream.url}/v1", api_key: "\${MY_KEY}" } }
`,
      { MY_KEY: 'vault:secret/data/x' },
    );
    expect((await ask(gateway, 'sk-the-clients-own-key', 'home/gpt-4o')).status).toBe(502);
    expect(upstream.seen).toEqual([]);
    // A virtual key is told the same, and is not called a bad one.
    const { key } = await made(admin(gateway), '/api/keys', { name: 'k' });
    const answer = await ask(gateway, key, 'home/gpt-4o');
    expect([answer.status, answer.headers.get('x-sluice-error')]).toEqual([502, 'upstream_auth']);
  });
});

test('an identity provider’s secret may be a reference: read late, rotated, never logged', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-oidc-secret-'));
  open.push({ close: () => rmSync(folder, { recursive: true, force: true }) });
  const spare = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => spare.once('listening', resolve));
  const { port } = spare.address() as AddressInfo;
  await new Promise((resolve) => spare.close(resolve));
  const idp = await startIdp({
    redirectUri: `http://127.0.0.1:${port}/auth/oidc/main/callback`,
    account: () => ({ sub: 'ada', name: 'Ada' }),
  });
  open.push(idp);
  const gateway = await startGateway({
    port,
    yaml: `version: 1
server: { public_url: 'http://127.0.0.1:${port}', port: ${port} }
secrets: { refresh_interval_s: 1 }
sign_in:
  oidc:
    - { name: main, issuer: '${idp.issuer}', client_id: sluice, client_secret: 'file:${folder}/secret', allow_private_network: true, default_role: viewer }
`,
  });
  open.push(gateway);
  const signIn = async () => {
    const { url } = await new Browser().visit(`${gateway.url}/auth/oidc/main/start`, {
      until: (to) => to.startsWith(gateway.url) && !to.includes('/auth/'),
    });
    return new URL(url).searchParams.get('problem');
  };
  expect(await signIn()).toBe('upstream_auth');
  writeFileSync(join(folder, 'secret'), 'a-test-secret\n');
  await expect.poll(signIn, { timeout: 10_000, interval: 300 }).toBeNull();
  writeFileSync(join(folder, 'secret'), 'another-secret\n');
  await expect.poll(signIn, { timeout: 10_000, interval: 300 }).toBe('invalid_key');
  writeFileSync(join(folder, 'secret'), 'a-test-secret\n');
  await expect.poll(signIn, { timeout: 10_000, interval: 300 }).toBeNull();
  expect(gateway.logged.join()).not.toMatch(/a-test-secret|another-secret/);
});
