import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, pipeline } from 'node:stream';
import { createServer as createTls, getCACertificates, setDefaultCACertificates } from 'node:tls';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Authority } from '../support/certificates.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

// A provider behind TLS whose name no name server knows: only the proxy finds it.

const TRUSTED = getCACertificates();

let folder: string;
let upstream: TestUpstream;
let provider: TcpServer;
let proxy: Server;
/** What the proxy was asked, and how it answers. */
const asked: { target: string; authorization: string | undefined }[] = [];
let refusal: string | undefined;
let gateway: TestGateway | undefined;

const listen = (server: TcpServer | Server): Promise<void> =>
  new Promise((resolve) => void server.listen(0, '127.0.0.1', resolve));
const portOf = (server: TcpServer | Server): number => (server.address() as AddressInfo).port;

function onConnect(request: IncomingMessage, client: Duplex, head: Buffer): void {
  asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] });
  client.on('error', () => undefined);
  if (refusal !== undefined) {
    client.end(refusal);
    return;
  }
  const onward = connect(portOf(provider), '127.0.0.1', () => {
    client.write('HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n');
    onward.write(head);
    pipeline(onward, client, onward, () => undefined);
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-proxy-'));
  const authority = new Authority(folder, 'ca');
  const { key, cert } = authority.certify('provider', 'DNS:provider.test', 'DNS:proxy.test', 'IP:127.0.0.1');
  setDefaultCACertificates([...TRUSTED, readFileSync(authority.file, 'utf8')]);
  upstream = await startUpstream(chatAnswer('Hello from far away'));
  provider = createTls({ key, cert }, (socket) => {
    const inner = connect(Number(new URL(upstream.url).port), '127.0.0.1');
    pipeline(socket, inner, socket, () => undefined);
  });
  proxy = createServer((_, response) => response.writeHead(400).end()).on('connect', onConnect);
  await Promise.all([listen(provider), listen(proxy)]);
});

afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
  refusal = undefined;
  asked.length = 0;
  upstream.seen.length = 0;
});

afterAll(async () => {
  setDefaultCACertificates(TRUSTED);
  await upstream?.close();
  provider?.close();
  proxy?.closeAllConnections();
  proxy?.close();
  rmSync(folder, { recursive: true, force: true });
});

const yaml = (baseUrl: string) => `
version: 1
providers:
  far: { type: openai-compatible, base_url: "${baseUrl}", api_key: k, allow_private_network: true, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["far/m"] } }
`;

/** A gateway with these variables, and a client of it. */
async function start(
  environment: Record<string, string>,
  baseUrl = 'https://provider.test:8443/v1',
): Promise<OpenAI> {
  gateway = await startGateway({ yaml: yaml(baseUrl), environment });
  return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
}

const PROMPT = { model: 'm', messages: [{ role: 'user', content: 'hi' }] } as const;
const proxyUrl = (credentials = '') => `http://${credentials}127.0.0.1:${portOf(proxy)}`;

async function textOf(client: OpenAI): Promise<string> {
  let text = '';
  const stream = await client.chat.completions.create({
    ...PROMPT,
    messages: [...PROMPT.messages],
    stream: true,
  });
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  return text;
}

const whole = (client: OpenAI) =>
  client.chat.completions.create({ ...PROMPT, messages: [...PROMPT.messages] });

describe('a provider behind an outbound proxy', () => {
  it('is reached through a tunnel that later requests use too, whole and streamed', async () => {
    const client = await start({ HTTPS_PROXY: proxyUrl('us%40er:p%3Ass@') });
    for (let n = 0; n < 3; n++) {
      expect((await whole(client)).choices[0]?.message.content).toBe('Hello from far away');
      expect(await textOf(client)).toBe('Hello from far away');
    }
    expect(upstream.seen).toHaveLength(6);
    const authorization = `Basic ${Buffer.from('us@er:p:ss').toString('base64')}`;
    expect(asked).toEqual([{ target: 'provider.test:8443', authorization }]);
    // What is for the proxy goes no further.
    expect(upstream.seen[0]?.headers['proxy-authorization']).toBeUndefined();
    expect(upstream.seen[0]?.headers.host).toBe('provider.test:8443');
  });

  it('carries large bodies both ways', async () => {
    const client = await start({ https_proxy: `127.0.0.1:${portOf(proxy)}` });
    const text = 'x'.repeat(3_000_000);
    upstream.behave(chatAnswer(text));
    const answers = await Promise.all(
      Array.from({ length: 4 }, () =>
        client.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: text }] }),
      ),
    );
    expect(answers.every(({ choices }) => choices[0]?.message.content === text)).toBe(true);
    expect(upstream.seen.every((seen) => seen.text.length > text.length)).toBe(true);
    upstream.behave(chatAnswer('Hello from far away'));
  });

  it.each([
    [
      'asks for credentials',
      'HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n',
      'answers 407',
    ],
    ['hangs up', '', 'does not answer'],
    ['speaks something else', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'does not answer'],
  ])('fails in a sentence when the proxy %s', async (_, said, words) => {
    refusal = said;
    const client = await start({ HTTPS_PROXY: proxyUrl('user:sesame@') });
    const error = await whole(client).catch((thrown) => thrown);
    expect(error.status).toBe(502);
    expect(error.headers.get('x-sluice-error')).toBe('upstream_unreachable');
    expect(error.message).toContain('`HTTPS_PROXY`');
    expect(error.message).toContain(words);
    expect(error.message).not.toMatch(/sesame|127\.0\.0\.1/);
    expect(upstream.seen).toHaveLength(0);
  });

  it('is reached directly where NO_PROXY says so', async () => {
    const direct = `https://127.0.0.1:${portOf(provider)}/v1`;
    const client = await start({ HTTPS_PROXY: proxyUrl() }, direct);
    expect((await whole(client)).choices[0]?.message.content).toBe('Hello from far away');
    expect(asked).toEqual([]);
    await gateway?.close();
    const exempt = await start({ HTTPS_PROXY: proxyUrl(), NO_PROXY: 'other.test, .test' });
    expect((await whole(exempt).catch((thrown) => thrown)).status).toBe(502);
    expect(asked).toEqual([]);
  });

  it('keeps to the egress guard', async () => {
    gateway = await startGateway({
      yaml: yaml('https://metadata.google.internal/v1').replace(
        'allow_private_network: true',
        'allow_private_network: false',
      ),
      environment: { HTTPS_PROXY: proxyUrl() },
    });
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    expect((await whole(client).catch((thrown) => thrown)).message).toContain('allow_private_network');
    expect(asked).toEqual([]);
  });

  it('does not start with an address that cannot be used: nothing goes past a proxy that was meant', async () => {
    await expect(start({ HTTPS_PROXY: 'socks5://127.0.0.1:1080' })).rejects.toThrow(
      /HTTPS_PROXY is no address of an HTTP proxy/,
    );
  });
});

it('a proxy behind TLS is spoken to over TLS', async () => {
  const { key, cert } = new Authority(folder, 'ca2').certify('secure', 'DNS:localhost', 'IP:127.0.0.1');
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(join(folder, 'ca2.pem'), 'utf8')]);
  const secure = createTls({ key, cert }, (socket) => {
    const inner = connect(portOf(proxy), '127.0.0.1');
    pipeline(socket, inner, socket, () => undefined);
  });
  await listen(secure);
  const client = await start({ HTTPS_PROXY: `https://127.0.0.1:${portOf(secure)}` });
  expect((await whole(client)).choices[0]?.message.content).toBe('Hello from far away');
  expect(await textOf(client)).toBe('Hello from far away');
  expect(asked.map(({ target }) => target)).toEqual(['provider.test:8443']);
  await gateway?.close();
  gateway = undefined;
  secure.close();
});

it('a proxy that says nothing costs no more than the time to connect', async () => {
  const silent = createTcp(() => undefined);
  await listen(silent);
  gateway = await startGateway({
    yaml: yaml('https://provider.test:8443/v1').replace(
      'allow_private_network: true',
      'allow_private_network: true, timeouts: { connect_ms: 200 }',
    ),
    environment: { HTTPS_PROXY: `http://127.0.0.1:${portOf(silent)}` },
  });
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const error = await whole(client).catch((thrown) => thrown);
  expect(error.status).toBe(502);
  expect(error.message).toContain('does not answer');
  silent.close();
});
