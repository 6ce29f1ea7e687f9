import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../core/errors/error.ts';
import type { Random } from '../ports/random.ts';

/** Name of the file in the data directory that keeps a generated admin key. */
export const ADMIN_KEY_FILE = 'admin.key';

const MIN_LENGTH = 16;

/** The admin key stored in a data directory, for the CLI on the same machine; `undefined` when there is none. */
export function readAdminKey(dataDir: string): string | undefined {
  const path = join(dataDir, ADMIN_KEY_FILE);
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new SluiceError('conflict', `Other users can read ${ADMIN_KEY_FILE}; run \`chmod 600\` on it.`);
    }
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The admin key: configured, else stored, else made now and stored with mode 600. */
export function ensureAdminKey(
  configured: string | undefined,
  dataDir: string,
  random: Random,
): { readonly key: string; readonly created: boolean } {
  if (configured !== undefined && configured !== '') {
    if (configured.length < MIN_LENGTH) {
      throw new SluiceError('bad_request', `The admin key must have at least ${MIN_LENGTH} characters.`);
    }
    return { key: configured, created: false };
  }
  const stored = readAdminKey(dataDir);
  if (stored !== undefined && stored !== '') return { key: stored, created: false };
  const key = `sk-admin-${Buffer.from(random.bytes(24)).toString('base64url')}`;
  writeFileSync(join(dataDir, ADMIN_KEY_FILE), `${key}\n`, { mode: 0o600 });
  return { key, created: true };
}
