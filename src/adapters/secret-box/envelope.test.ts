import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEnvelope } from './envelope.ts';
import { openKeyring, rewrapKeyring } from './keyring.ts';
import { openMasterKeys } from './master-keys.ts';
import { createSecretBox, keysOfMaster } from './secret-box.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-envelope-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const internal = expect.objectContaining({ code: 'internal' });
const conflict = expect.objectContaining({ code: 'conflict' });

test('a secret comes back at its own place only', () => {
  const envelope = createEnvelope(openMasterKeys(folder));
  const sealed = envelope.seal('sk-provider-öä', 'credentials/a/sealed/org');
  expect(envelope.open(sealed, 'credentials/a/sealed/org')).toBe('sk-provider-öä');
  for (const place of [
    'credentials/b/sealed/org',
    'credentials/a/sealed/other',
    'keyring/a/sealed/org',
    '',
  ]) {
    expect(() => envelope.open(sealed, place)).toThrowError(internal);
  }
  expect(sealed).not.toContain('sk-provider');
});

test('every part is bound: no byte can be changed, and parts of two secrets cannot be mixed', () => {
  const envelope = createEnvelope(openMasterKeys(folder));
  const sealed = envelope.seal('one', 'p');
  const other = envelope.seal('two', 'p');
  const parts = sealed.split('.');
  const others = other.split('.');
  for (const index of [2, 3]) {
    const mixed = parts.map((part, at) => (at === index ? others[at] : part)).join('.');
    expect(() => envelope.open(mixed, 'p')).toThrowError(internal);
  }
  for (let index = 0; index < sealed.length; index += 1) {
    const changed = sealed.slice(0, index) + (sealed[index] === 'A' ? 'B' : 'A') + sealed.slice(index + 1);
    const opened = (() => {
      try {
        return envelope.open(changed, 'p');
      } catch {
        return undefined;
      }
    })();
    // The last character of base64url may carry unused bits: the same bytes, then.
    if (opened !== undefined) expect(opened).toBe('one');
    else expect(opened).toBeUndefined();
  }
  expect(envelope.seal('one', 'p')).not.toBe(sealed);
});

test('while one master key replaces the other, both open; afterwards only the new one', () => {
  const masters = openMasterKeys(folder);
  const reader = openMasterKeys(folder);
  const envelope = createEnvelope(masters);
  const elsewhere = createEnvelope(reader);
  const old = envelope.seal('secret', 'p');
  expect(envelope.rewrap(old, 'p')).toBeUndefined();
  masters.renew();
  expect(masters.state()).toMatchObject({ source: 'file', previous: 1 });
  const fresh = envelope.seal('fresh', 'p');
  expect([envelope.open(old, 'p'), envelope.open(fresh, 'p')]).toEqual(['secret', 'fresh']);
  // Another process reads the file again when it meets a key it does not know.
  expect([elsewhere.open(fresh, 'p'), elsewhere.open(old, 'p')]).toEqual(['fresh', 'secret']);
  const again = envelope.rewrap(old, 'p') ?? '';
  expect(again.split('.')[3]).toBe(old.split('.')[3]);
  expect(masters.retire()).toBe(true);
  expect(masters.state().previous).toBe(0);
  expect(envelope.open(again, 'p')).toBe('secret');
  expect(() => envelope.open(old, 'p')).toThrowError(internal);
  expect(createEnvelope(openMasterKeys(folder)).open(again, 'p')).toBe('secret');
  expect(statSync(join(folder, 'master.key')).mode & 0o777).toBe(0o600);
});

test('the master key comes from the environment, as base64url or hex, with older ones beside it', () => {
  const [first, second] = [randomBytes(32), randomBytes(32)];
  const environment = { SLUICE_MASTER_KEY: first.toString('base64url') };
  const sealed = createEnvelope(openMasterKeys(folder, environment)).seal('x', 'p');
  expect(() => statSync(join(folder, 'master.key'))).toThrow();
  const both = openMasterKeys(folder, {
    SLUICE_MASTER_KEY: second.toString('hex'),
    SLUICE_MASTER_KEY_PREVIOUS: first.toString('base64'),
  });
  expect(both.state()).toMatchObject({ source: 'environment', previous: 1 });
  const again = createEnvelope(both).rewrap(sealed, 'p') ?? '';
  const alone = { SLUICE_MASTER_KEY: second.toString('base64url') };
  expect(createEnvelope(openMasterKeys(folder, alone)).open(again, 'p')).toBe('x');
  expect(() => openMasterKeys(folder, alone).renew()).toThrowError(conflict);
  for (const wrong of ['short', `${'A'.repeat(42)}!`, '0'.repeat(63)]) {
    expect(() => openMasterKeys(folder, { SLUICE_MASTER_KEY: wrong })).toThrowError(conflict);
  }
});

test('a named file may be read-only, and not readable by others', () => {
  const path = join(folder, 'mounted');
  writeFileSync(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o400 });
  const environment = { SLUICE_MASTER_KEY_FILE: path };
  const masters = openMasterKeys(folder, environment);
  masters.renew();
  masters.retire();
  expect(statSync(path).mode & 0o777).toBe(0o400);
  expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(1);
  chmodSync(path, 0o444);
  expect(() => openMasterKeys(folder, environment)).toThrowError(conflict);
});

function memoryKeyring() {
  const kept = new Map<string, string>();
  return {
    kept,
    all: async () => Object.fromEntries(kept),
    async insert(name: string, wrapped: string) {
      if (!kept.has(name)) kept.set(name, wrapped);
    },
    async rewrap(name: string, from: string, to: string) {
      if (kept.get(name) !== from) return false;
      kept.set(name, to);
      return true;
    },
  };
}

test('hashes, signatures and seals outlive the master key', async () => {
  const masters = openMasterKeys(folder);
  const envelope = createEnvelope(masters);
  const store = memoryKeyring();
  const open = () =>
    openKeyring({ store, envelope, master: masters.current().bytes, inUse: async () => false, now: 0 });
  const box = await open();
  const before = [box.hashKey('k'), box.sign('t', 'audit'), box.seal('s', 'p')] as const;
  expect(before[0]).not.toBe(createSecretBox(keysOfMaster(masters.current().bytes)).hashKey('k'));
  masters.renew();
  expect(await rewrapKeyring(store, envelope)).toBe(3);
  expect(await rewrapKeyring(store, envelope)).toBe(0);
  masters.retire();
  const after = await open();
  expect([after.hashKey('k'), after.sign('t', 'audit')]).toEqual([before[0], before[1]]);
  expect(after.open(before[2], 'p')).toBe('s');
});

test('a database from before there was a keyring keeps what its master key gave', async () => {
  const masters = openMasterKeys(folder);
  const legacy = createSecretBox(keysOfMaster(masters.current().bytes));
  const ports = { store: memoryKeyring(), envelope: createEnvelope(masters), now: 0 };
  const box = await openKeyring({ ...ports, master: masters.current().bytes, inUse: async () => true });
  expect(box.hashKey('k')).toBe(legacy.hashKey('k'));
  expect(box.sign('t', 'audit')).toBe(legacy.sign('t', 'audit'));
  const strange = createEnvelope(openMasterKeys(join(folder, 'other')));
  const opened = openKeyring({
    ...ports,
    envelope: strange,
    master: new Uint8Array(32),
    inUse: async () => true,
  });
  await expect(opened).rejects.toThrowError(conflict);
});
