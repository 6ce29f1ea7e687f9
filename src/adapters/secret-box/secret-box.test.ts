import { createHmac, hkdfSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSecretBox as boxOf, keysOfMaster, openSecretBox } from './secret-box.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-box-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const createSecretBox = (secret: Uint8Array) => boxOf(keysOfMaster(secret));
const internal = expect.objectContaining({ code: 'internal' });
const conflict = expect.objectContaining({ code: 'conflict' });
const master = new Uint8Array(32).fill(7);

test('what is sealed opens at its place and nowhere else', () => {
  const box = createSecretBox(master);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.string(), (plain, place, other) => {
      const sealed = box.seal(plain, place);
      expect(box.open(sealed, place)).toBe(plain);
      if (other !== place) expect(() => box.open(sealed, other)).toThrowError(internal);
    }),
  );
});

test('sealing twice gives two texts, neither holding the secret', () => {
  const box = createSecretBox(master);
  const [first, second] = [box.seal('sk-secret', 'p'), box.seal('sk-secret', 'p')];
  expect(first).not.toBe(second);
  expect(first).toMatch(/^v1\.[\w-]+$/);
  expect(Buffer.from(first.slice(3), 'base64url').includes('sk-secret')).toBe(false);
});

test('any altered byte is found', () => {
  const box = createSecretBox(master);
  const bytes = Buffer.from(box.seal('a secret', 'p').slice(3), 'base64url');
  for (let at = 0; at < bytes.length; at += 1) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(() => box.open(`v1.${altered.toString('base64url')}`, 'p')).toThrowError(internal);
  }
});

test.each(['', 'v1.', 'v2.AAAA', 'plain', 'v1.AAAA'])('%j is no sealed value', (text) => {
  expect(() => createSecretBox(master).open(text, 'p')).toThrowError(internal);
});

test('another master key opens nothing and hashes differently', () => {
  const other = createSecretBox(new Uint8Array(32).fill(8));
  expect(() => other.open(createSecretBox(master).seal('x', 'p'), 'p')).toThrowError(internal);
  expect(other.hashKey('k')).not.toBe(createSecretBox(master).hashKey('k'));
});

test('hashKey is HMAC-SHA256 under its derived key, for any text', () => {
  const key = Buffer.from(hkdfSync('sha256', master, '', 'sluice/virtual-key/v1', 32));
  const box = createSecretBox(master);
  const check = (text: string) => {
    expect(box.hashKey(text)).toBe(createHmac('sha256', key).update(text).digest('base64url'));
  };
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 600 }), check));
  check('x'.repeat(5000));
  check('short');
});

test('signatures differ by purpose and from hashes', () => {
  const box = createSecretBox(master);
  expect(box.sign('x', 'audit')).toBe(box.sign('x', 'audit'));
  expect(new Set([box.sign('x', 'audit'), box.sign('x', 'session'), box.hashKey('x')]).size).toBe(3);
});

test('the master key is made once, for the owner alone', () => {
  const sealed = openSecretBox(directory).seal('x', 'p');
  const path = join(directory, 'master.key');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(openSecretBox(directory).open(sealed, 'p')).toBe('x');
  expect(readFileSync(path, 'utf8')).toMatch(/^[\w-]{43}\n$/);
});

test('a master key others can read, or that is none, is refused', () => {
  openSecretBox(directory);
  const path = join(directory, 'master.key');
  chmodSync(path, 0o640);
  expect(() => openSecretBox(directory)).toThrowError(conflict);
  chmodSync(path, 0o400);
  expect(() => openSecretBox(directory)).not.toThrow();
  chmodSync(path, 0o600);
  writeFileSync(path, 'short');
  expect(() => openSecretBox(directory)).toThrowError(conflict);
});
