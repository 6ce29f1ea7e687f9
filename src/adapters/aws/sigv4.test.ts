import { createHash, createHmac } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import {
  attemptText,
  type Got,
  type Loopback,
  listenLoopback,
  routed,
  runtimeOf,
} from '../../../test/support/attempts.ts';
import { awsEventMessage } from '../../formats/aws-event-stream.ts';
import type { Account } from '../../ports/authorizer.ts';
import type { UpstreamRequest } from '../../ports/upstream.ts';
import { systemClock } from '../system/clock.ts';
import { awsRegion, awsSettings } from './settings.ts';
import { createSigV4Authorizer } from './sigv4.ts';

const EXAMPLE = {
  access_key_id: 'AKIDEXAMPLE',
  secret_access_key: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};
const clockAt = (iso: string) => ({ ...systemClock, now: () => Date.parse(iso) });
const never = new AbortController().signal;

function request(more: Partial<UpstreamRequest>): UpstreamRequest {
  return {
    method: 'POST',
    origin: 'https://example.amazonaws.com',
    path: '/',
    headers: {},
    body: undefined,
    timeouts: { connectMs: 0, firstByteMs: 0, idleMs: 0, totalMs: 0 },
    allowPrivateNetwork: false,
    ...more,
  };
}

function account(service: string, settings: Readonly<Record<string, string>> = EXAMPLE): Account {
  return { provider: 'aws', scheme: { type: 'sigv4', service }, region: 'us-east-1', settings };
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const escaped = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The signature as AWS would compute it over what arrived, by the rules' own text and without the library. */
function signatureOf(got: Pick<Got, 'method' | 'path' | 'headers' | 'body'>, secret: string): string {
  const given = String(got.headers['authorization']);
  const [, scope = '', names = ''] = /Credential=[^/]+\/(\S+), SignedHeaders=(\S+), /.exec(given) ?? [];
  const [path = '', search = ''] = got.path.split('?');
  const query = search
    .split('&')
    .filter(Boolean)
    .map((pair) => (pair.includes('=') ? pair : `${pair}=`))
    .sort()
    .join('&');
  const headers = names.split(';').map((name) => `${name}:${String(got.headers[name]).trim()}\n`);
  const canonical = [
    got.method,
    path.split('/').map(escaped).join('/'),
    query,
    headers.join(''),
    names,
    sha256(got.body),
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', got.headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const [date = '', region = '', service = ''] = scope.split('/');
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request');
  return hmac(key, text).toString('hex');
}

const signatureIn = (headers: Readonly<Record<string, unknown>>) =>
  /Signature=([0-9a-f]{64})$/.exec(String(headers['authorization']))?.[1];

/** AWS's published examples: the test suite's cases, and ListUsers of the documentation. */
const PUBLISHED = [
  {
    name: 'get-vanilla',
    service: 'service',
    request: { method: 'GET' },
    signature: '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
  },
  {
    name: 'post-vanilla',
    service: 'service',
    request: { method: 'POST' },
    signature: '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
  },
  {
    name: 'get-vanilla-query-order-key-case',
    service: 'service',
    request: { method: 'GET', path: '/?Param2=value2&Param1=value1' },
    signature: 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
  },
  {
    name: 'post-x-www-form-urlencoded',
    service: 'service',
    request: {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Param1=value1',
    },
    signature: 'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
  },
  {
    name: 'iam ListUsers',
    service: 'iam',
    request: {
      method: 'GET',
      origin: 'https://iam.amazonaws.com',
      path: '/?Action=ListUsers&Version=2010-05-08',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    },
    signature: '5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
  },
] as const;

describe('a signature', () => {
  const authorizer = createSigV4Authorizer({ clock: clockAt('2015-08-30T12:36:00Z') });

  for (const published of PUBLISHED) {
    it(`is the published one for ${published.name}`, async () => {
      const headers = await authorizer.authorize(
        request(published.request),
        account(published.service),
        never,
      );
      expect(signatureIn(headers)).toBe(published.signature);
      expect(headers['x-amz-date']).toBe('20150830T123600Z');
    });
  }

  it('covers the session token and every x-amz header, and changes with any byte of the body', async () => {
    const settings = { ...EXAMPLE, session_token: 'token' };
    const given = {
      'x-amzn-bedrock-guardrailidentifier': 'g',
      accept: 'a',
      'content-type': 'application/json',
    };
    const sign = (body: string | Uint8Array) =>
      authorizer.authorize(request({ headers: given, body }), account('bedrock', settings), never);
    const headers = await sign('{"a":1}');
    expect(headers['x-amz-security-token']).toBe('token');
    expect(headers['authorization']).toContain(
      'SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amzn-bedrock-guardrailidentifier,',
    );
    expect(Object.keys(headers).sort()).toEqual(['authorization', 'x-amz-date', 'x-amz-security-token']);
    expect(await sign(Buffer.from('{"a":1}'))).toEqual(headers);
    expect(signatureIn(await sign('{"a":2}'))).not.toBe(signatureIn(headers));
  });

  it('is not made without a whole key pair, nor for a client that left', async () => {
    const half = { access_key_id: 'AKIDSECRETPART' };
    const failed = await authorizer.authorize(request({}), account('bedrock', half), never).catch((e) => e);
    expect(failed).toMatchObject({ code: 'upstream_auth', status: 502, retry: 'next' });
    expect(failed.message).not.toContain('AKIDSECRETPART');
    await expect(
      authorizer.authorize(request({}), account('bedrock'), AbortSignal.abort()),
    ).rejects.toMatchObject({ code: 'client_closed' });
  });
});

describe('the key pair', () => {
  const environment = { AWS_ACCESS_KEY_ID: 'E', AWS_SECRET_ACCESS_KEY: 'S', AWS_SESSION_TOKEN: 'T' };

  it('comes from the environment only where the configuration names none', () => {
    expect(awsSettings({ project: 'p' }, environment)).toEqual({
      project: 'p',
      access_key_id: 'E',
      secret_access_key: 'S',
      session_token: 'T',
    });
    expect(awsSettings({ access_key_id: 'F' }, environment)).toEqual({ access_key_id: 'F' });
    expect(awsSettings({}, { AWS_ACCESS_KEY_ID: 'E' })).toEqual({});
    expect(awsRegion({ AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-west-1' })).toBe('eu-west-1');
  });
});

const MODEL = 'anthropic.claude-3-5-sonnet-20241022-v2:0';
const CHAT = { model: `bedrock/${MODEL}`, messages: [{ role: 'user', content: 'Grüße' }], max_tokens: 9 };
const WHOLE = JSON.stringify({
  output: { message: { role: 'assistant', content: [{ text: 'Hallo' }] } },
  stopReason: 'end_turn',
  usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
});

let aws: Loopback | undefined;
afterEach(() => aws?.close());

/** Answers like Bedrock to those whose signature holds, and 403 to all others. */
async function start(secret: string): Promise<Loopback> {
  aws = await listenLoopback((got, response) => {
    if (signatureIn(got.headers) !== signatureOf(got, secret)) {
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"message":"The request signature we calculated does not match"}');
    } else if (got.path.endsWith('-stream')) {
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
      response.write(awsEventMessage('messageStart', '{"role":"assistant"}'));
      response.write(awsEventMessage('contentBlockDelta', '{"contentBlockIndex":0,"delta":{"text":"Hal"}}'));
      response.write(awsEventMessage('contentBlockDelta', '{"contentBlockIndex":0,"delta":{"text":"lo"}}'));
      response.write(awsEventMessage('contentBlockStop', '{"contentBlockIndex":0}'));
      response.write(awsEventMessage('messageStop', '{"stopReason":"end_turn"}'));
      response.end(
        awsEventMessage('metadata', '{"usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}'),
      );
    } else {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(WHOLE);
    }
  });
  return aws;
}

const configured = (url: string, credentials: Record<string, string> = EXAMPLE) => ({
  providers: { bedrock: { base_url: url, region: 'eu-west-1', credentials } },
});

describe('Bedrock on this machine', () => {
  it('accepts the signature over path, headers and body as they arrive', async () => {
    const { url, got } = await start(EXAMPLE.secret_access_key);
    const runtime = runtimeOf(configured(url, { ...EXAMPLE, session_token: 'session' }));
    expect(await attemptText(routed(runtime, CHAT))).toBe('Hallo');
    expect(got[0]?.path).toBe('/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse');
    expect(got[0]?.headers['authorization']).toContain('/eu-west-1/bedrock/aws4_request');
    expect(got[0]?.headers['x-amz-security-token']).toBe('session');
    expect(JSON.parse(String(got[0]?.body)).messages[0].content[0].text).toBe('Grüße');
  });

  it('accepts it for streams, and for a profile named by its ARN', async () => {
    const { url, got } = await start(EXAMPLE.secret_access_key);
    const arn = 'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-v1:0';
    const body = { ...CHAT, model: `bedrock/${arn}`, stream: true };
    expect(await attemptText(routed(runtimeOf(configured(url)), body))).toBe('Hallo');
    expect(got[0]?.path).toBe(`/model/${encodeURIComponent(arn)}/converse-stream`);
  });

  it('signs with the environment’s keys and region, not with a client’s own key', async () => {
    const { url, got } = await start('from-environment');
    const environment = {
      AWS_ACCESS_KEY_ID: 'AKIDENV',
      AWS_SECRET_ACCESS_KEY: 'from-environment',
      AWS_REGION: 'ap-southeast-2',
    };
    const runtime = runtimeOf({ providers: { bedrock: { base_url: url } } }, environment);
    expect(await attemptText(routed(runtime, CHAT, { ownCredential: 'sk-client' }))).toBe('Hallo');
    expect(got[0]?.headers['authorization']).toContain('Credential=AKIDENV/');
    expect(got[0]?.headers['authorization']).toContain('/ap-southeast-2/bedrock/');
    const unlisted = runtimeOf(
      { models: { m: { deployments: [{ provider: 'bedrock', model: MODEL }] } } },
      environment,
    );
    expect(unlisted.providers.get('bedrock')).toMatchObject({ credentials: [], signed: true });
  });

  it('sends a Bedrock API key as it is', async () => {
    const { url, got } = await start('unused');
    const both = { bedrock: { base_url: url, api_key: 'bedrock-key', credentials: EXAMPLE } };
    await attemptText(routed(runtimeOf({ providers: both }), CHAT)).catch(() => undefined);
    expect(got[0]?.headers['authorization']).toBe('Bearer bedrock-key');
    expect(got[0]?.headers['x-amz-date']).toBeUndefined();
  });
});

describe('a failing authorization', () => {
  it('is a failure of the attempt when the signature is refused', async () => {
    const { url } = await start('another secret');
    const exchange = routed(runtimeOf(configured(url)), CHAT);
    const failed = await attemptText(exchange).catch((error) => error);
    expect(failed).toMatchObject({ code: 'upstream_auth', status: 502 });
    expect(exchange.facts.attempts).toMatchObject([
      { provider: 'bedrock', status: 403, error: 'upstream_auth' },
    ]);
  });

  it('fails over when a deployment has no key pair', async () => {
    const { url, got } = await start(EXAMPLE.secret_access_key);
    const runtime = runtimeOf({
      providers: {
        keyless: { type: 'bedrock', base_url: url },
        keyed: { type: 'bedrock', base_url: url, credentials: EXAMPLE },
      },
      models: {
        m: {
          deployments: [
            { provider: 'keyless', model: MODEL },
            { provider: 'keyed', model: MODEL },
          ],
        },
      },
    });
    const exchange = routed(runtime, { ...CHAT, model: 'm' });
    expect(await attemptText(exchange)).toBe('Hallo');
    expect(got).toHaveLength(1);
    expect(exchange.facts.attempts).toMatchObject([
      { provider: 'keyless', error: 'upstream_auth' },
      { provider: 'keyed', status: 200 },
    ]);
  });
});
