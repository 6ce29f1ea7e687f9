import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { sluice } from './sluice-process.ts';

let folder: string;
let upstream: TestUpstream;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'));
  chmodSync(folder, 0o700);
  upstream = await startUpstream(
    chatAnswer('hi', { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }),
  );
});
afterEach(async () => {
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

const yaml = () => `
version: 1
storage: { data_dir: "${join(folder, 'data')}" }
providers:
  good: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k }
  lost: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "file:${folder}/nowhere" }
  kept: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "credential:nobody" }
  aside: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: "vault:secret/data/x#key" }
secrets: { refresh_interval_s: 1 }
`;

interface Check {
  readonly check: string;
  readonly result: string;
  readonly message: string;
}

async function doctor(environment: Record<string, string> = {}) {
  const { code, stdout } = await sluice(['doctor', '--json', '-c', join(folder, 'sluice.yaml')], {
    folder,
    environment,
  });
  const checks = JSON.parse(stdout).checks as Check[];
  return { code, failed: checks.filter(({ result }) => result === 'fail') };
}

describe('a provider whose secret cannot be read', () => {
  it('is named by doctor without a gateway, and why', async () => {
    writeFileSync(join(folder, 'sluice.yaml'), yaml(), { mode: 0o600 });
    // Nothing listens there.
    const { code, failed } = await doctor({ SLUICE_PORT: '1' });
    expect(code).toBe(1);
    const secrets = failed.filter(({ message }) => message.startsWith('Its secret'));
    expect(secrets.map(({ check, message }) => [check, message])).toEqual([
      ['Provider lost', expect.stringMatching(/^Its secret `file:.*nowhere` cannot be read: .*ENOENT/)],
      ['Provider aside', expect.stringMatching(/vault:.*cannot be read: .*`secrets`/)],
    ]);
  });

  it('is named by doctor, status and the API of the gateway that runs, until it can be read', async () => {
    mkdirSync(join(folder, 'data'), { mode: 0o700 });
    const gateway = await startGateway({ yaml: yaml(), dataDir: join(folder, 'data') });
    try {
      writeFileSync(join(folder, 'sluice.yaml'), yaml(), { mode: 0o600 });
      const environment = { SLUICE_PORT: new URL(gateway.url).port };
      const { failed } = await doctor(environment);
      const about = failed.map(({ check }) => check);
      expect(about).toEqual(['Provider lost', 'Provider kept', 'Provider aside']);
      expect(failed[1]?.message).toContain('There is no credential with this name.');
      const reached = { SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: gateway.adminKey };
      const shown = await sluice(['status'], { folder, environment: reached });
      expect(shown.stdout).toMatch(/lost +openai-compatible +unreadable/);
      expect(shown.stdout).toMatch(/good +openai-compatible +1/);
      expect(shown.stdout).toContain('provider kept: Its secret `credential:nobody` cannot be read');
      const status = await gateway.client.call('getStatus', {});
      expect(status.providers.map(({ name, unreadable }) => [name, unreadable])).toEqual([
        ['good', false],
        ['lost', true],
        ['kept', true],
        ['aside', true],
      ]);
      writeFileSync(join(folder, 'nowhere'), 'sk-found');
      await expect
        .poll(async () => (await gateway.client.call('getStatus', {})).warnings.map((one) => one.about), {
          timeout: 20_000,
        })
        .toEqual(['provider kept', 'provider aside']);
    } finally {
      await gateway.close();
    }
  });
});

describe('a data folder that cannot be', () => {
  it.each(['/proc/x', '/proc/self/x/y'])('%s makes start end at once with a sentence', async (path) => {
    const started = Date.now();
    const { code, stderr } = await sluice(['start', '--data-dir', path, '--port', '0'], { folder });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: The data directory .+ cannot be used/);
    expect(stderr).toContain('--data-dir');
    expect(Date.now() - started).toBeLessThan(30_000);
  });

  it('nor does one whose database is damaged', async () => {
    const path = join(folder, 'damaged');
    mkdirSync(path, { mode: 0o700 });
    writeFileSync(join(path, 'sluice.db'), Buffer.alloc(8192, 0xa5), { mode: 0o600 });
    const { code, stderr } = await sluice(['start', '--data-dir', path, '--port', '0'], { folder });
    expect([code, stderr]).toEqual([1, expect.stringContaining('The database is damaged')]);
    expect(stderr).not.toContain('share_failed');
  });

  it('nor does somebody’s file in its place, which keeps its rights', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'mine', { mode: 0o644 });
    chmodSync(path, 0o666);
    const { code, stderr } = await sluice(['start', '--data-dir', path, '--port', '0'], { folder });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/The data directory .+ cannot be used/)]);
    expect(statSync(path).mode & 0o777).toBe(0o666);
  });

  it('is found by doctor, too', async () => {
    const { code, stdout } = await sluice(['doctor', '--json', '--data-dir', '/proc/x'], { folder });
    expect(code).toBe(1);
    const failed = (JSON.parse(stdout).checks as Check[]).find(({ check }) => check === 'Data folder');
    expect(failed).toMatchObject({
      result: 'fail',
      message: expect.stringContaining('/proc takes no folders'),
    });
  });
});
