import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminCases } from './hostile/admin-cases.ts';
import { type Case, CHATS, SAME } from './hostile/case.ts';
import { brokenHeaders, ignoredHeaders } from './hostile/header-cases.ts';
import { brokenBodies, heavyBodies, oddBodies } from './hostile/json-cases.ts';
import { judge, leaks, namesField } from './hostile/judge.ts';
import { rawCases, sendRaw } from './hostile/raw-cases.ts';
import { wrongTypes } from './hostile/type-cases.ts';
import { type Got, openWorld, PROVIDER_HEADERS, residentMb, type World } from './hostile/world.ts';

let world: World;
let memoryBefore = 0;
let heapBefore = 0;
let cases = 0;

beforeAll(async () => {
  world = await openWorld();
  // Warm: the first calls of each dialect compile what they run through.
  for (const { name, path, body } of CHATS) {
    for (let round = 0; round < 5; round++) await world.ask({ name, path, body: JSON.stringify(body) });
  }
  world.sent.length = 0;
  heapBefore = (await world.inside()).heapUsed;
  memoryBefore = residentMb(world.pid) ?? 0;
});

afterAll(async () => {
  await world?.close();
});

/** Sends all cases, eight at a time, and returns every fault with its case's name. */
async function run(given: readonly Case[]): Promise<{ faults: string[]; unnamed: string[] }> {
  const faults: string[] = [];
  const unnamed: string[] = [];
  const queue = [...given];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const one = next;
      cases++;
      const got = await world
        .ask(one)
        .catch((error: Error): Got => ({ status: 0, headers: {}, text: error.message }));
      faults.push(...judge(one, got, world.secrets).map((fault) => `${one.name}: ${fault}`));
      if (!namesField(one, got)) unnamed.push(`${one.name}: ${got.text.slice(0, 160)}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return { faults, unnamed };
}

/** Runs cases that must all be refused: nothing may reach a provider. */
async function refuseAll(given: readonly Case[]): Promise<void> {
  world.sent.length = 0;
  const { faults, unnamed } = await run(given);
  expect(faults).toEqual([]);
  expect(world.sent.map(({ path, text }) => `${path} ${text.slice(0, 100)}`)).toEqual([]);
  const named = given.filter(({ field }) => field !== undefined).length;
  expect(unnamed.slice(0, 20), `${unnamed.length} of ${named} name no field`).toSatisfy(
    () => unnamed.length <= named * 0.05,
  );
}

describe('requests that are refused', () => {
  it('broken JSON, codings and types', () => refuseAll(brokenBodies()));

  it('a wrong type in every documented field, named', () => refuseAll(wrongTypes()));

  it('keys, hosts, origins, paths, methods and fields that would call another place', () => {
    const { key, admin, canary } = world.secrets;
    return refuseAll(brokenHeaders({ key, adminKey: admin, canary }));
  });

  it('the control plane: wrong fields, ids, queries and strangers', () => {
    const { key, admin } = world.secrets;
    return refuseAll(adminCases({ key, adminKey: admin }));
  });
});

describe('requests that may be answered', () => {
  it('odd texts, names and sizes break nothing', async () => {
    expect((await run(oddBodies())).faults).toEqual([]);
  });

  it('headers of other gateways do nothing', async () => {
    const before = world.sent.length;
    const given = ignoredHeaders(world.secrets.canary);
    expect((await run(given)).faults).toEqual([]);
    expect(world.sent.length - before).toBe(given.length);
    expect(world.canaryHits).toEqual([]);
  });
});

describe('on the wire', () => {
  it('one answer to what is no HTTP, then the end', async () => {
    world.sent.length = 0;
    const faults: string[] = [];
    for (const { name, text, statuses, maySilence } of rawCases(world.port, world.secrets.key)) {
      cases++;
      const got = await sendRaw(world.port, text);
      const lawful = statuses ?? [[400]];
      const right =
        got.statuses.length === lawful.length &&
        got.statuses.every((status, index) => lawful[index]?.includes(status));
      if (!right && !(maySilence === true && got.text === ''))
        faults.push(`${name}: ${got.statuses} ${got.text}`);
      const stays = got.statuses.some((status) => status < 400 || status === 401);
      if (!got.closed && !stays) faults.push(`${name}: still open`);
      if (got.text !== '' && !/x-sluice-request-id: \S+/i.test(got.text))
        faults.push(`${name}: no request id`);
      faults.push(...leaks(got.text, world.secrets).map((fault) => `${name}: ${fault}`));
    }
    expect(faults).toEqual([]);
    // Only the two that begin with a lawful request reach the provider.
    expect(world.sent).toHaveLength(2);
  });

  it('slow senders are cut off, and nobody else notices', async () => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${world.port}\r\n`;
    const body = `${head}authorization: Bearer ${world.secrets.key}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`;
    const started = performance.now();
    const ends: Promise<number>[] = [];
    const drips: NodeJS.Timeout[] = [];
    for (let index = 0; index < 120; index++) {
      const socket = connect(world.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      const kind = index % 3;
      if (kind === 0) socket.write(head);
      if (kind === 1) socket.write(body);
      if (kind === 0) drips.push(setInterval(() => socket.write('x'), 200));
      ends.push(new Promise((resolve) => socket.on('close', () => resolve(performance.now() - started))));
    }
    const [target] = SAME;
    const good: number[] = [];
    for (let index = 0; index < 20; index++) {
      const { status } = await world.ask({
        name: 'good',
        path: target?.path ?? '',
        body: JSON.stringify(target?.body),
      });
      good.push(status);
    }
    const closed = await Promise.all(ends);
    for (const drip of drips) clearInterval(drip);
    expect(good.every((status) => status === 200)).toBe(true);
    expect(Math.max(...closed)).toBeLessThan(6000);
  });
});

describe('between client and provider', () => {
  const [chat] = SAME;
  const smuggled = {
    connection: 'keep-alive, x-secret-hop',
    'x-secret-hop': 'a',
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-host': 'evil.example',
    'x-real-ip': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    cookie: 'a=b',
    te: 'trailers',
    'proxy-authorization': 'Basic YTpi',
    'x-api-base': 'http://192.0.2.1',
    'openai-organization': 'org-client',
    'x-sluice-metadata': '{}',
    'user-agent': 'evil/1.0',
  };

  it('headers are let through by name only, in both directions', async () => {
    for (const { name, path, body } of CHATS) {
      world.sent.length = 0;
      const got = await world.ask({ name, path, body: JSON.stringify(body), headers: smuggled });
      expect(got.status, name).toBe(200);
      const [sent] = world.sent;
      for (const header of Object.keys(smuggled)) {
        if (header === 'connection') continue;
        expect(sent?.headers[header], `${name} passes ${header} on`).toBeUndefined();
      }
      expect(sent?.headers.connection ?? '').not.toContain('x-secret-hop');
      expect(JSON.stringify(sent?.headers)).not.toContain(world.secrets.key);
      for (const [header, value] of Object.entries(PROVIDER_HEADERS)) {
        if (header === 'connection') continue;
        expect(got.headers[header], `${name} hands ${header} back`).not.toBe(value);
      }
    }
    expect(chat).toBeDefined();
  });

  it('the same through the passthrough, which keeps to its provider', async () => {
    world.sent.length = 0;
    const got = await world.ask({
      name: 'passthrough',
      path: '/passthrough/compatible/chat/completions',
      body: JSON.stringify({ model: 'm', messages: [] }),
      headers: smuggled,
    });
    expect(got.status).toBe(200);
    for (const header of Object.keys(smuggled)) {
      if (header !== 'connection') expect(world.sent[0]?.headers[header], header).toBeUndefined();
    }
    for (const [header, value] of Object.entries(PROVIDER_HEADERS)) {
      if (header !== 'connection') expect(got.headers[header], header).not.toBe(value);
    }
    world.sent.length = 0;
    for (const path of [
      '/../../admin',
      '/%2e%2e/%2e%2e/admin',
      '//evil.example/a',
      '/@evil.example',
      '/..;/admin',
      '/%2e%2e%2fadmin',
      '\\..\\admin',
    ]) {
      cases++;
      const answer = await world.ask({ name: path, path: `/passthrough/compatible${path}`, method: 'GET' });
      expect(answer.status, path).toBeLessThan(500);
    }
    for (const { path } of world.sent) expect(path).toMatch(/^\/v1\//);
    expect(world.canaryHits).toEqual([]);
  });
});

describe('sessions', () => {
  const signIn = (cookie?: string) =>
    fetch(`${world.url}/api/session`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        origin: world.url,
        ...(cookie === undefined ? {} : { cookie }),
      },
      body: JSON.stringify({ token: world.secrets.admin }),
    });
  const cookieOf = (answer: Response) => answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  const list = (cookie: string) => fetch(`${world.url}/api/keys`, { headers: { cookie } });

  it('an id chosen beforehand opens nothing, and a session ends when it is closed', async () => {
    const chosen = 'sluice_session=chosen-by-the-attacker';
    const opened = await signIn(chosen);
    expect(opened.status).toBe(200);
    expect(opened.headers.get('set-cookie')).toMatch(/HttpOnly.*SameSite=Strict/i);
    const mine = cookieOf(opened);
    expect(mine).not.toBe(chosen);
    expect((await list(chosen)).status).toBe(401);
    expect((await list(mine)).status).toBe(200);
    const closed = await fetch(`${world.url}/api/session`, {
      method: 'DELETE',
      headers: { cookie: mine, origin: world.url },
    });
    expect(closed.status).toBe(200);
    expect((await list(mine)).status).toBe(401);
  });

  it('a cookie writes only from a page of our own', async () => {
    const cookie = cookieOf(await signIn());
    const write = (headers: Record<string, string>) =>
      fetch(`${world.url}/api/keys`, {
        method: 'POST',
        headers: { cookie, 'content-type': 'application/json', ...headers },
        body: '{"name":"by cookie"}',
      });
    expect((await write({})).status).toBe(403);
    expect((await write({ origin: 'http://evil.example' })).status).toBe(403);
    expect((await write({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await write({ origin: world.url })).status).toBe(200);
  });
});

describe('afterwards', () => {
  it('a thousand cases and more have run, and the process lives', async () => {
    console.log(`hostile: ${cases} cases`);
    expect(cases).toBeGreaterThan(1000);
    expect(world.gateway.child.exitCode).toBeNull();
    expect((await fetch(`${world.url}/health/ready`)).status).toBe(200);
  });

  /** Checks loop and heap since the last time, and that at most `limitMb` more are resident than at the start. */
  async function checkInside(limitMb: number): Promise<void> {
    const { longestMs, ticks, heapUsed, external } = await world.inside();
    const mb = (bytes: number) => Math.round(bytes / 1_048_576);
    console.log(`hostile: longest turn ${longestMs.toFixed(0)} ms of ${ticks} ticks`);
    console.log(
      `hostile: heap ${mb(heapBefore)} MB before, ${mb(heapUsed)} after, ${mb(external)} outside of it`,
    );
    expect(ticks).toBeGreaterThan(20);
    expect(longestMs).toBeLessThan(250);
    expect(mb(heapUsed - heapBefore)).toBeLessThan(30);
    expect(mb(external)).toBeLessThan(80);
    const resident = residentMb(world.pid);
    if (resident === undefined) {
      console.log('memory: this system has no /proc, so only the heap was measured');
      return;
    }
    console.log(`hostile: ${memoryBefore.toFixed(0)} MB resident before, ${resident.toFixed(0)} after`);
    expect(resident - memoryBefore).toBeLessThan(limitMb);
  }

  it('the loop never stood still for a quarter of a second, and memory is given back', () =>
    checkInside(150));

  it('the same after the heaviest bodies that are lawful, one after the other', async () => {
    for (const heavy of heavyBodies()) {
      expect((await run([heavy])).faults).toEqual([]);
      world.sent.length = 0;
    }
    // Heap and buffers are given back to the allocator; glibc keeps what was freed in its arenas (mallopt(3),
    // M_MMAP_THRESHOLD), 100 to 280 MB of it, so the resident size is printed here and not judged.
    await checkInside(Number.POSITIVE_INFINITY);
  });

  it('no secret stands in the log, the database or the journal', async () => {
    // What waits in memory is written when the process is told to end.
    world.gateway.child.kill('SIGTERM');
    const { code, stdout, stderr } = await world.gateway.ended;
    expect(code).toBe(0);
    const { key, provider, admin, canary } = world.secrets;
    for (const [name, secret] of Object.entries({ key, provider, admin })) {
      expect(stdout.includes(secret) || stderr.includes(secret), `${name} in the log`).toBe(false);
    }
    expect(`${stdout}${stderr}`).not.toMatch(/internal_error|unhandled|Uncaught/i);
    const files = world.files();
    expect(files.length).toBeGreaterThan(1);
    const master = readFileSync(join(world.folder, 'data', 'master.key'), 'utf8').trim();
    for (const { name, bytes } of files) {
      if (name === 'master.key') continue;
      for (const secret of [key, provider, admin, master]) expect(bytes.includes(secret), name).toBe(false);
    }
    expect(canary).toMatch(/^http/);
    expect(world.canaryHits).toEqual([]);
  });
});
