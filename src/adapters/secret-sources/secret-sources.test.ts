import { createHash, createHmac, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SecretReference } from '../../ports/secret-source.ts';
import { createSigV4Authorizer } from '../aws/sigv4.ts';
import { createGoogleAuthorizer } from '../google/oauth.ts';
import { openUpstream } from '../http1/upstream.ts';
import { systemClock } from '../system/clock.ts';
import { createAwsSource } from './aws.ts';
import { createAzureSource } from './azure.ts';
import { createFileSource } from './file.ts';
import { createGoogleSource } from './google.ts';
import { createVaultSource } from './vault.ts';

// Small servers that speak the stores' own HTTP APIs, as their documentation describes them.

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Reply = readonly [status: number, body: unknown];

let seen: Seen[];
let reply: (request: Seen) => Reply;
let server: Server;
let base: string;
const upstream = openUpstream({ maxConnections: 4, maxHeaderBytes: 32_768 });
const signal = () => AbortSignal.timeout(5000);
const fault = (text: string | RegExp) => expect.objectContaining({ message: expect.stringMatching(text) });

beforeEach(async () => {
  seen = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
      seen.push(one);
      const [status, body] = reply(one);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const address = (allowPrivateNetwork = true) => ({
  store: 'The store',
  upstream,
  timeoutMs: 1000,
  allowPrivateNetwork,
});

function reference(scheme: SecretReference['scheme'], path: string, field?: string): SecretReference {
  return { scheme, path, field };
}

test('Vault: key-value engines 1 and 2, with token and namespace', async () => {
  const auth = { method: 'token', token: 'hvs.t' } as const;
  const source = createVaultSource({
    address: address(),
    clock: systemClock,
    url: base,
    namespace: 'team',
    auth,
  });
  reply = ({ url }) =>
    url === '/v1/secret/data/openai'
      ? [200, { data: { data: { api_key: 'two', value: 'v' }, metadata: { version: 3 } } }]
      : [200, { data: { api_key: 'one', data: 'plain' } }];
  expect(await source.read(reference('vault', 'secret/data/openai', 'api_key'), signal())).toBe('two');
  expect(await source.read(reference('vault', 'secret/data/openai'), signal())).toBe('v');
  expect(await source.read(reference('vault', 'kv1/openai', 'api_key'), signal())).toBe('one');
  expect(seen[0]?.headers).toMatchObject({ 'x-vault-token': 'hvs.t', 'x-vault-namespace': 'team' });
  await expect(source.read(reference('vault', 'kv1/openai', 'none'), signal())).rejects.toThrow(
    /no field `none`/,
  );
  for (const path of ['../sys/seal', 'a//b', 'secret/data/x?list=true']) {
    await expect(source.read(reference('vault', path), signal())).rejects.toThrow(/vault:PATH/);
  }
  expect(seen.some(({ url }) => url.includes('sys'))).toBe(false);
  reply = () => [403, { errors: ['permission denied for hvs.t'] }];
  const refused = source.read(reference('vault', 'kv1/openai'), signal());
  await expect(refused).rejects.toThrowError(fault(/^Vault refused \(HTTP 403\)\.$/));
});

test('Vault: AppRole and Kubernetes logins, a token kept, and had anew when it was revoked', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-jwt-'));
  writeFileSync(join(folder, 'token'), 'jwt-of-the-pod\n');
  let valid = 'hvs.1';
  let logins = 0;
  reply = ({ url, headers }) => {
    if (url.endsWith('/login')) {
      logins += 1;
      valid = `hvs.${logins}`;
      return [200, { auth: { client_token: valid, lease_duration: 3600 } }];
    }
    if (headers['x-vault-token'] !== valid) return [403, { errors: ['permission denied'] }];
    return [200, { data: { data: { value: 'secret' }, metadata: {} } }];
  };
  const approle = { method: 'approle', roleId: 'r', secretId: 's', mount: undefined } as const;
  const options = { address: address(), clock: systemClock, url: base, namespace: undefined };
  const source = createVaultSource({ ...options, auth: approle });
  const read = () => source.read(reference('vault', 'secret/data/x'), signal());
  expect([await read(), await read()]).toEqual(['secret', 'secret']);
  expect(logins).toBe(1);
  expect(seen[0]).toMatchObject({ url: '/v1/auth/approle/login', body: '{"role_id":"r","secret_id":"s"}' });
  valid = 'hvs.revoked';
  expect(await read()).toBe('secret');
  expect(logins).toBe(2);
  const pod = {
    method: 'kubernetes',
    role: 'sluice',
    jwtFile: join(folder, 'token'),
    mount: 'k8s/prod',
  } as const;
  const inside = createVaultSource({ ...options, auth: pod });
  expect(await inside.read(reference('vault', 'secret/data/x'), signal())).toBe('secret');
  const login = seen.findLast(({ url }) => url.endsWith('/login'));
  expect(login).toMatchObject({
    url: '/v1/auth/k8s/prod/login',
    body: JSON.stringify({ role: 'sluice', jwt: 'jwt-of-the-pod' }),
  });
  rmSync(folder, { recursive: true });
});

/** Signature Version 4 over a request as the server sees it, written out from AWS's description of the steps. */
function signatureOf({ method, url, headers, body }: Seen, secret: string): string {
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const hex = (text: string) => createHash('sha256').update(text).digest('hex');
  const [, day = '', region = '', signed = ''] =
    /Credential=[^/]+\/(\d{8})\/([\w-]+)\/secretsmanager\/aws4_request, SignedHeaders=([^,]+),/.exec(
      headers.authorization ?? '',
    ) ?? [];
  const lines = signed.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, url, '', lines.join(''), signed, hex(body)].join('\n');
  const scope = `${day}/${region}/secretsmanager/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hex(canonical)].join('\n');
  const key = [day, region, 'secretsmanager', 'aws4_request'].reduce<string | Buffer>(
    (from, part) => hmac(from, part),
    `AWS4${secret}`,
  );
  return hmac(key, text).toString('hex');
}

test('AWS Secrets Manager: signed calls, text, JSON and binary', async () => {
  const source = createAwsSource({
    address: address(),
    authorizer: createSigV4Authorizer({ clock: systemClock }),
    region: 'eu-central-1',
    settings: { access_key_id: 'AKIDEXAMPLE', secret_access_key: 'aws-secret' },
    endpoint: `${base}/`,
  });
  reply = (request) => {
    const signature = /Signature=([0-9a-f]+)/.exec(request.headers.authorization ?? '')?.[1];
    if (signature !== signatureOf(request, 'aws-secret'))
      return [400, { __type: 'InvalidSignatureException' }];
    const { SecretId: id } = JSON.parse(request.body) as { SecretId: string };
    if (id === 'binary') return [200, { SecretBinary: Buffer.from('bytes').toString('base64') }];
    if (id === 'json') return [200, { SecretString: '{"api_key":"field"}' }];
    if (id.includes('text')) return [200, { SecretString: 'whole' }];
    return [400, { __type: 'com.amazonaws#ResourceNotFoundException', message: 'leak me' }];
  };
  const read = (path: string, field?: string) => source.read(reference('aws-sm', path, field), signal());
  expect(await read('text')).toBe('whole');
  expect(await read('json', 'api_key')).toBe('field');
  expect(await read('binary')).toBe('bytes');
  expect(await read('arn:aws:secretsmanager:us-east-2:123456789012:secret:text-AbCdEf')).toBe('whole');
  expect(seen.at(-1)?.headers.authorization).toContain('/us-east-2/secretsmanager/');
  expect(seen[0]?.headers['x-amz-target']).toBe('secretsmanager.GetSecretValue');
  await expect(read('none')).rejects.toThrow('refused (HTTP 400, ResourceNotFoundException).');
});

test('Google Secret Manager: a service account’s token, projects and versions', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = {
    type: 'service_account',
    client_email: 'sluice@p.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: `${base}/token`,
  };
  const source = createGoogleSource({
    address: address(),
    authorizer: createGoogleAuthorizer({ clock: systemClock, upstream }),
    settings: { service_account_json: JSON.stringify(account), project: 'p' },
    endpoint: base,
  });
  reply = ({ url, headers }) => {
    if (url === '/token') return [200, { access_token: 'ya29.t', expires_in: 3600, token_type: 'Bearer' }];
    if (headers.authorization !== 'Bearer ya29.t') return [401, {}];
    return [200, { payload: { data: Buffer.from(`at ${url}`).toString('base64') } }];
  };
  const read = (path: string) => source.read(reference('gcp-sm', path), signal());
  expect(await read('openai')).toBe('at /v1/projects/p/secrets/openai/versions/latest:access');
  expect(await read('other/openai/7')).toBe('at /v1/projects/other/secrets/openai/versions/7:access');
  expect(await read('projects/x/secrets/y')).toBe('at /v1/projects/x/secrets/y/versions/latest:access');
  expect(seen.filter(({ url }) => url === '/token')).toHaveLength(1);
  await expect(read('a/b/c/d')).rejects.toThrow(/gcp-sm:PROJECT/);
});

test('Azure Key Vault: client credentials, a token kept, versions', async () => {
  const source = createAzureSource({
    address: address(),
    clock: systemClock,
    tenantId: 'tenant',
    clientId: 'client',
    clientSecret: 'azure secret',
    authority: base,
    endpoint: `${base}/{vault}`,
  });
  reply = ({ url, body, headers }) => {
    if (url === '/tenant/oauth2/v2.0/token') {
      const form = new URLSearchParams(body);
      const good =
        form.get('client_secret') === 'azure secret' && form.get('grant_type') === 'client_credentials';
      if (!good || form.get('scope') !== 'https://vault.azure.net/.default')
        return [401, { error: 'invalid_client' }];
      return [200, { access_token: 'eyJ.azure', expires_in: 3599 }];
    }
    return headers.authorization === 'Bearer eyJ.azure' ? [200, { value: `at ${url}` }] : [401, {}];
  };
  const read = (path: string) => source.read(reference('azure-kv', path), signal());
  expect(await read('main/openai')).toBe('at /main/secrets/openai?api-version=7.4');
  expect(await read('main/openai/0123')).toBe('at /main/secrets/openai/0123?api-version=7.4');
  expect(seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
  await expect(read('main')).rejects.toThrow(/azure-kv:VAULT/);
  await expect(read('main/../x')).rejects.toThrow(/azure-kv:VAULT/);
});

test('files: line breaks at the end are no part of a secret', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-file-'));
  const source = createFileSource();
  writeFileSync(join(folder, 'plain'), 'sk-file\r\n');
  writeFileSync(join(folder, 'json'), '{"key":"inside"}\n');
  expect(await source.read(reference('file', join(folder, 'plain')), signal())).toBe('sk-file');
  expect(await source.read(reference('file', join(folder, 'json'), 'key'), signal())).toBe('inside');
  await expect(source.read(reference('file', folder), signal())).rejects.toThrow(/no small file/);
  await expect(source.read(reference('file', join(folder, 'none')), signal())).rejects.toThrow(/ENOENT/);
  rmSync(folder, { recursive: true });
});

test('private networks are closed unless they are opened, and nonsense is no secret', async () => {
  const auth = { method: 'token', token: 't' } as const;
  const make = (open: boolean) =>
    createVaultSource({ address: address(open), clock: systemClock, url: base, namespace: undefined, auth });
  reply = () => [200, '<html>'];
  const asked = reference('vault', 'secret/data/x');
  await expect(make(false).read(asked, signal())).rejects.toThrow(/allow_private_network/);
  expect(seen).toHaveLength(0);
  await expect(make(true).read(asked, signal())).rejects.toThrow(/did not answer with JSON/);
  reply = () => [200, { data: { data: {}, metadata: {} } }];
  await expect(make(true).read(asked, signal())).rejects.toThrow(/no field `value`/);
});
