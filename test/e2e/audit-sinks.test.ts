import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { Authority } from '../support/certificates.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made } from '../support/identity.ts';
import { syslogOverTls, syslogOverUdp } from './sink-servers.ts';

// Receivers on loopback that speak TLS and UDP for real, with an authority of our own.

let folder: string;
const files = { ca: '', key: '', cert: '', otherCa: '' };
const open: { close(): unknown }[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-sinks-'));
  const authority = new Authority(folder, 'ca');
  files.ca = authority.file;
  files.otherCa = new Authority(folder, 'other').file;
  Object.assign(files, authority.certify('sink', 'DNS:localhost', 'IP:127.0.0.1'));
});

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function gatewayWith(sink: string, dataDir?: string): Promise<TestGateway> {
  const gateway = await startGateway({
    yaml: `version: 1\naudit: { sinks: [{ name: siem, ${sink} }] }\n`,
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  open.push({ close: () => gateway.close().catch(() => undefined) });
  return gateway;
}

async function total(gateway: TestGateway): Promise<number> {
  return (await admin(gateway).call('GET', '/api/audit?limit=1')).body.data[0]?.sequence ?? 0;
}

function sequencesOf(messages: readonly string[]): number[] {
  return messages.map((text) => Number(/sequence="(\d+)"/.exec(text)?.[1]));
}

const counted = (messages: readonly unknown[]) => messages.map((_, index) => index + 1);
const SOON = { timeout: 30_000, interval: 100 };

test('syslog over TLS with an authority of our own; a server of another one gets nothing', async () => {
  const server = await syslogOverTls({ key: files.key, cert: files.cert });
  open.push(server);
  const tls = (ca: string, host = 'localhost') =>
    `type: syslog, transport: tls, host: ${host}, port: ${server.port}, ca_file: ${ca}, allow_private_network: true`;
  const gateway = await gatewayWith(tls(files.ca));
  for (let index = 0; index < 5; index += 1) await made(admin(gateway), '/api/teams', { name: `t${index}` });
  await expect.poll(() => server.messages.length, SOON).toBe(await total(gateway));
  expect(sequencesOf(server.messages)).toEqual(counted(server.messages));
  server.messages.splice(0);
  const wary = await gatewayWith(tls(files.otherCa));
  await made(admin(wary), '/api/teams', { name: 'secret' });
  await expect
    .poll(() => wary.logged.find((line) => line.includes('audit.sink_failed')), SOON)
    .toMatch(/certificate|issuer/i);
  expect(server.messages).toEqual([]);
});

test('a TLS server that is down loses nothing: what was written meanwhile comes in order, also after a restart', async () => {
  const first = await syslogOverTls({ key: files.key, cert: files.cert });
  const { port } = first;
  const sink = `type: syslog, transport: tls, host: 127.0.0.1, port: ${port}, ca_file: ${files.ca}, batch_size: 3`;
  const gateway = await gatewayWith(sink);
  await made(admin(gateway), '/api/teams', { name: 'before' });
  await expect.poll(() => first.messages.length, SOON).toBe(2);
  await first.close();
  const started = performance.now();
  for (let index = 0; index < 8; index += 1) await made(admin(gateway), '/api/teams', { name: `t${index}` });
  // Nobody waits for a sink.
  expect(performance.now() - started).toBeLessThan(5000);
  await expect.poll(() => gateway.logged.some((line) => line.includes('audit.sink_failed')), SOON).toBe(true);
  await gateway.close(true);
  open.pop();
  const second = await syslogOverTls({ key: files.key, cert: files.cert }, port);
  open.push(second);
  const again = await gatewayWith(sink, gateway.dataDir);
  await made(admin(again), '/api/teams', { name: 'after' });
  const last = await total(again);
  await expect.poll(() => sequencesOf(second.messages).at(-1), SOON).toBe(last);
  const got = sequencesOf([...first.messages, ...second.messages]);
  // At least once, in order, and none missing.
  expect([...new Set(got)]).toEqual(Array.from({ length: last }, (_, index) => index + 1));
});

test('syslog over UDP: one message a datagram, in both formats', async () => {
  for (const format of ['json', 'cef']) {
    const server = await syslogOverUdp();
    open.push(server);
    const gateway = await gatewayWith(
      `type: syslog, transport: udp, host: 127.0.0.1, port: ${server.port}, format: ${format}`,
    );
    await made(admin(gateway), '/api/teams', { name: 'Über|uns', metadata: { note: 'zwei\nZeilen' } });
    await expect.poll(() => server.messages.length, SOON).toBe(await total(gateway));
    expect(sequencesOf(server.messages)).toEqual(counted(server.messages));
    for (const text of server.messages) {
      expect(text).toMatch(/^<\d+>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ sluice \d+ \S+ \[audit@32473 /);
      expect(text.split('\n')).toHaveLength(1);
      if (format === 'cef') expect(text).toContain('CEF:0|Sluice|Sluice|');
      else expect(JSON.parse(text.slice(text.indexOf('] {') + 2)).hash).toMatch(/^[\w-]{43}$/);
    }
  }
});

test('HTTPS with an authority of our own, signed; without it nothing is sent', async () => {
  const lines: string[] = [];
  let signed = 0;
  const server = createHttps({ key: files.key, cert: files.cert }, (request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const [, seconds, mac] =
        /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(request.headers['x-sluice-signature'])) ?? [];
      const own = createHmac('sha256', 'sink-secret').update(`${seconds}.${text}`).digest('hex');
      if (own === mac) signed += 1;
      lines.push(...text.trimEnd().split('\n'));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close() {
      server.closeAllConnections();
      server.close();
    },
  });
  const { port } = server.address() as AddressInfo;
  const sink = `type: https, url: "https://localhost:${port}/in", secret: sink-secret`;
  const wary = await gatewayWith(sink);
  await made(admin(wary), '/api/teams', { name: 'x' });
  await expect.poll(() => wary.logged.some((line) => line.includes('audit.sink_failed')), SOON).toBe(true);
  expect(lines).toEqual([]);
  const gateway = await gatewayWith(`${sink}, ca_file: ${files.ca}`);
  for (let index = 0; index < 3; index += 1) await made(admin(gateway), '/api/teams', { name: `t${index}` });
  const all = await total(gateway);
  await expect.poll(() => lines.length, SOON).toBe(all);
  expect(signed).toBeGreaterThan(0);
  expect(lines.map((line) => JSON.parse(line).sequence)).toEqual(counted(lines));
});
