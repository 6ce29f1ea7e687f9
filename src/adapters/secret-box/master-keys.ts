import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SluiceError } from '../../core/errors/error.ts';
import type { MasterKeyControl } from '../../ports/envelope.ts';

const KEY_BYTES = 32;
/** More lines than rotations that were broken off. */
const MAX_KEYS = 16;

/** A master key and what tells it from others. */
export interface MasterKey {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** The keys that are valid now: usually one, two while one replaces the other. */
export interface MasterKeys extends MasterKeyControl {
  current(): MasterKey;
  find(id: string): MasterKey | undefined;
}

function keyOf(bytes: Uint8Array): MasterKey {
  const derived = hkdfSync('sha256', bytes, '', 'sluice/key-id/v1', KEY_BYTES);
  return { bytes, id: createHash('sha256').update(Buffer.from(derived)).digest('hex').slice(0, 16) };
}

/** 32 bytes in base64, base64url or hex. */
function parseKey(text: string, where: string): MasterKey {
  const hex = /^[0-9a-f]{64}$/i.test(text);
  const key = Buffer.from(text, hex ? 'hex' : 'base64url');
  if (key.length !== KEY_BYTES || !/^[\w+/=-]+$/.test(text)) {
    throw new SluiceError('conflict', `${where} holds no key of 32 bytes. Restore it from a backup.`);
  }
  return keyOf(key);
}

/**
 * The master keys: from `SLUICE_MASTER_KEY` (and, while one replaces the other, `SLUICE_MASTER_KEY_PREVIOUS`), else from
 * the file named by `SLUICE_MASTER_KEY_FILE`, else from `master.key` in the data directory, made with mode 600 when
 * absent. A file holds one key a line, the current one first. Losing them makes every sealed value unreadable and every
 * virtual key unknown.
 * @throws SluiceError `conflict` when others can read the file, or there is no key in it
 */
export function openMasterKeys(
  directory: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): MasterKeys {
  const given = environment['SLUICE_MASTER_KEY'];
  if (given !== undefined && given !== '') {
    return fromEnvironment(given, environment['SLUICE_MASTER_KEY_PREVIOUS'] ?? '');
  }
  const named = environment['SLUICE_MASTER_KEY_FILE'];
  if (named !== undefined && named !== '') return new FileKeys(named);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, 'master.key');
  makeFile(path);
  return new FileKeys(path);
}

function fromEnvironment(given: string, previous: string): MasterKeys {
  const current = parseKey(given.trim(), 'SLUICE_MASTER_KEY');
  const others = previous
    .split(',')
    .filter((text) => text.trim() !== '')
    .map((text) => parseKey(text.trim(), 'SLUICE_MASTER_KEY_PREVIOUS'));
  const all = new Map([...others, current].map((key) => [key.id, key]));
  return {
    current: () => current,
    find: (id) => all.get(id),
    state: () => ({ id: current.id, source: 'environment', previous: all.size - 1 }),
    renew() {
      throw new SluiceError(
        'conflict',
        'The master key is in SLUICE_MASTER_KEY: start with the new key there and the old one in SLUICE_MASTER_KEY_PREVIOUS, then rotate.',
      );
    },
    retire: () => all.size === 1,
  };
}

/** Keys in a file, read again when it was replaced, so that every process hears of a rotation. */
class FileKeys implements MasterKeys {
  readonly #path: string;
  #keys: readonly MasterKey[] = [];
  #stamp = '';

  constructor(path: string) {
    this.#path = path;
    this.#read();
  }

  current(): MasterKey {
    const [first] = this.#read();
    if (first === undefined) throw new SluiceError('conflict', `${basename(this.#path)} holds no key.`);
    return first;
  }

  find(id: string): MasterKey | undefined {
    return this.#keys.find((key) => key.id === id) ?? this.#read().find((key) => key.id === id);
  }

  state() {
    const { id } = this.current();
    return { id, source: 'file', previous: this.#keys.length - 1 } as const;
  }

  renew(): void {
    const keys = this.#read();
    if (keys.length >= MAX_KEYS) {
      throw new SluiceError(
        'conflict',
        'Too many older master keys are still in use; restart and rotate again.',
      );
    }
    this.#write([keyOf(randomBytes(KEY_BYTES)), ...keys]);
  }

  retire(): boolean {
    if (this.#read().length === 1) return true;
    try {
      this.#write([this.current()]);
      return true;
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'conflict') return false;
      throw error;
    }
  }

  #read(): readonly MasterKey[] {
    const name = basename(this.#path);
    const { mode, mtimeNs, ino } = statSync(this.#path, { bigint: true });
    const stamp = `${ino} ${mtimeNs}`;
    if (stamp === this.#stamp) return this.#keys;
    if ((mode & 0o077n) !== 0n) {
      throw new SluiceError('conflict', `${name} can be read by others. Run: chmod 600 ${name}`);
    }
    const lines = readFileSync(this.#path, 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (lines.length === 0 || lines.length > MAX_KEYS) {
      throw new SluiceError('conflict', `${name} holds no key of 32 bytes. Restore it from a backup.`);
    }
    this.#keys = lines.map((line) => parseKey(line.trim(), name));
    this.#stamp = stamp;
    return this.#keys;
  }

  /** In one step: whoever reads meanwhile sees all the old keys or all the new ones. */
  #write(keys: readonly MasterKey[]): void {
    const temporary = `${this.#path}.new`;
    try {
      const { mode } = statSync(this.#path);
      writeDurably(temporary, 'w', keys);
      chmodSync(temporary, mode & 0o700);
      renameSync(temporary, this.#path);
      syncFolder(dirname(this.#path));
    } catch (cause) {
      throw new SluiceError(
        'conflict',
        'The file of the master key cannot be written: put the new key in a line above the old one, then rotate.',
        { cause },
      );
    }
    this.#read();
  }
}

function writeDurably(path: string, flag: 'w' | 'wx', keys: readonly MasterKey[]): void {
  const file = openSync(path, flag, 0o600);
  try {
    writeSync(file, keys.map(({ bytes }) => `${Buffer.from(bytes).toString('base64url')}\n`).join(''));
    // Losing this file in a crash would lose every secret sealed with it.
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function makeFile(path: string): void {
  try {
    writeDurably(path, 'wx', [keyOf(randomBytes(KEY_BYTES))]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
