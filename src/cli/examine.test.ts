import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  examineClock,
  examineDatabase,
  examineDataFolder,
  examineDisk,
  examineNode,
  examinePort,
  examineProvider,
} from './examine.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function listening(answer: string) {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

describe('doctor', () => {
  it('knows which Node.js will do', () => {
    expect(examineNode('24.15.0').result).toBe('ok');
    expect(examineNode('25.0.0').result).toBe('ok');
    expect(examineNode('24.14.9').result).toBe('fail');
    expect(examineNode('22.20.0').remedy).toContain('24.15');
  });

  it('looks at the data folder', () => {
    chmodSync(folder, 0o700);
    expect(examineDataFolder(folder).result).toBe('ok');
    expect(examineDataFolder(join(folder, 'new', 'deeper'))).toMatchObject({ result: 'ok' });
    chmodSync(folder, 0o755);
    expect(examineDataFolder(folder)).toMatchObject({ result: 'warn' });
    chmodSync(folder, 0o700);
    writeFileSync(join(folder, 'admin.key'), 'x'.repeat(20), { mode: 0o644 });
    expect(examineDataFolder(folder)).toMatchObject({ result: 'fail' });
    expect(examineDataFolder(join(folder, 'admin.key', 'below'))).toMatchObject({ result: 'fail' });
  });

  it('looks at the database', async () => {
    expect(await examineDatabase(folder)).toEqual([]);
    const path = join(folder, 'sluice.db');
    writeFileSync(path, 'no database at all, whatever its name says');
    const [damaged] = await examineDatabase(folder);
    expect(damaged).toMatchObject({ result: 'fail', message: expect.stringContaining('damaged') });
    rmSync(path);
    const raw = new DatabaseSync(path);
    raw.exec("CREATE TABLE kysely_migration (name TEXT); INSERT INTO kysely_migration VALUES ('0001_first')");
    expect(await examineDatabase(folder)).toMatchObject([{ result: 'ok' }]);
    raw.exec("INSERT INTO kysely_migration VALUES ('9999_later')");
    raw.close();
    const [newer] = await examineDatabase(folder);
    expect(newer).toMatchObject({ result: 'fail', message: expect.stringContaining('9999_later') });
  });

  it('measures the disk', () => {
    const free = (bytes: number) => (() => ({ bavail: bytes / 4096, bsize: 4096 })) as never;
    expect(examineDisk(folder, free(2 ** 33)).result).toBe('ok');
    expect(examineDisk(folder, free(2 ** 29)).result).toBe('warn');
    expect(examineDisk(folder, free(2 ** 20)).result).toBe('fail');
  });

  it('tells our port from a stranger’s', async () => {
    const ours = await listening('{"status":"live"}');
    const stranger = await listening('hello');
    const at = (port: number) => examinePort({ host: '127.0.0.1', port });
    expect(await at(ours.port)).toMatchObject({
      result: 'ok',
      message: expect.stringContaining('gateway answers'),
    });
    expect(await at(stranger.port)).toMatchObject({
      result: 'fail',
      remedy: expect.stringContaining('--port'),
    });
    for (const { server } of [ours, stranger]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await at(ours.port)).toMatchObject({ result: 'ok', message: expect.stringContaining('free') });
  });
});

describe('doctor, outwards', () => {
  it('says why a provider cannot be reached', async () => {
    const { server, port } = await listening('{}');
    const environment: Record<string, string> = {};
    const about = async (url: string) => (await examineProvider('p', url, environment)).finding;
    expect(await about(`http://127.0.0.1:${port}/v1`)).toMatchObject({ result: 'ok' });
    expect(await about(`https://127.0.0.1:${port}/v1`)).toMatchObject({
      result: 'fail',
      message: expect.stringContaining('does not speak TLS'),
    });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const gone = await listening('{}');
    await new Promise((resolve) => gone.server.close(resolve));
    expect(await about(`http://127.0.0.1:${gone.port}/v1`)).toMatchObject({
      result: 'fail',
      message: expect.stringContaining('refuses the connection'),
    });
    environment['HTTPS_PROXY'] = `http://127.0.0.1:${gone.port}`;
    expect(await about('https://provider.test/v1')).toMatchObject({
      result: 'fail',
      message: expect.stringContaining('the outbound proxy (HTTPS_PROXY) opens no way'),
    });
  });

  it('compares the clock with the nearest witness', () => {
    const now = Date.UTC(2026, 5, 1);
    expect(examineClock([], now).result).toBe('ok');
    expect(examineClock([900, -400_000], now).result).toBe('ok');
    expect(examineClock([-60_000], now).result).toBe('warn');
    expect(examineClock([400_000], now).result).toBe('fail');
    expect(examineClock([], Date.UTC(2001, 0, 1)).result).toBe('fail');
  });
});
