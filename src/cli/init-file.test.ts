import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { draftProviders } from '../app/cli-support.ts';
import { loadConfig } from '../app/config/index.ts';
import { configurationText, writePrivately } from './init-file.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-init-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const environment = {
  OPENAI_API_KEY: 'sk-live-openai-1234567890',
  ANTHROPIC_API_KEY: ' sk-ant-secret-1234567890 ',
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLEEXAMPLE00',
  AWS_SECRET_ACCESS_KEY: 'aws-secret-value-0987654321',
  AWS_REGION: 'eu-central-1',
};

describe('the file init writes', () => {
  it('refers to keys and never holds one', () => {
    const providers = draftProviders({ path: undefined, flags: {}, environment, reachable: new Set() });
    const text = configurationText({ providers, port: 4200, access: 'keys' });
    for (const name of ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'AWS_SECRET_ACCESS_KEY']) {
      expect(text).toContain(`"\${${name}}"`);
      expect(text).not.toContain(environment[name as keyof typeof environment].trim());
    }
    expect(text).not.toContain(environment.AWS_ACCESS_KEY_ID);
    const { config, problems } = loadConfig({ text, environment });
    expect(problems).toEqual([]);
    expect(config?.server.port).toBe(4200);
    expect(config?.access.mode).toBe('keys');
    expect(config?.providers['openai']?.api_key).toBe(environment.OPENAI_API_KEY);
  });

  it.each(['automatic', 'open', 'keys'] as const)('is clean without providers, access %s', (access) => {
    const text = configurationText({ providers: [], port: 4100, access });
    const { problems, warnings } = loadConfig({ text, environment: {} });
    expect([...problems, ...warnings]).toEqual([]);
  });

  it('is its owner’s alone, and replaces nothing unasked', () => {
    const path = join(folder, 'sluice.yaml');
    writePrivately(path, 'one', false);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(() => writePrivately(path, 'two', false)).toThrow('--force');
    expect(readFileSync(path, 'utf8')).toBe('one');
    writeFileSync(path, 'old', { mode: 0o644 });
    writePrivately(path, 'three', true);
    expect(readFileSync(path, 'utf8')).toBe('three');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['sluice.yaml']);
    expect(existsSync(path)).toBe(true);
  });

  it('says so where nothing can be written, and leaves no draft behind', () => {
    expect(() => writePrivately(join(folder, 'gone', 'a.yaml'), 'one', false)).toThrow('cannot be written');
    mkdirSync(join(folder, 'taken', 'inside'), { recursive: true });
    expect(() => writePrivately(join(folder, 'taken'), 'one', true)).toThrow('is a folder');
    expect(readdirSync(folder)).toEqual(['taken']);
  });
});
