import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { SluiceError } from '../../core/errors/error.ts';
import type { CredentialRecord, CredentialStore, KeyringStore } from '../../ports/credential-store.ts';
import { isUniqueViolation } from './failure.ts';

const MAX_CREDENTIALS = 10_000;

function recordOf(row: Readonly<Record<string, SQLOutputValue>>): CredentialRecord {
  const text = (name: string) => (row[name] === null ? undefined : String(row[name]));
  return {
    id: String(row['id']),
    organizationId: String(row['organization_id']),
    name: String(row['name']),
    description: String(row['description']),
    sealed: text('sealed'),
    reference: text('reference'),
    hint: String(row['hint']),
    createdAt: Number(row['created_at']),
    updatedAt: Number(row['updated_at']),
  };
}

/** Runs a write. Throws `conflict` for a name that exists. */
function unique<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new SluiceError('conflict', 'There is a credential with this name already.', { param: 'name' });
  }
}

/** Credentials for providers in the database. */
export function createCredentialStore(raw: DatabaseSync): CredentialStore {
  const insert = raw.prepare(
    `INSERT INTO credentials (id, organization_id, name, description, sealed, reference, hint, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const update = raw.prepare(
    `UPDATE credentials SET name = ?, description = ?, sealed = ?, reference = ?, hint = ?, updated_at = ?
     WHERE id = ?`,
  );
  const remove = raw.prepare('DELETE FROM credentials WHERE id = ?');
  const all = raw.prepare('SELECT * FROM credentials ORDER BY created_at DESC, id DESC LIMIT ?');
  const rewrap = raw.prepare('UPDATE credentials SET sealed = ? WHERE id = ? AND sealed = ?');
  return {
    async insert(record) {
      const { id, organizationId, name, description, sealed, reference, hint, createdAt, updatedAt } = record;
      const kept = [sealed ?? null, reference ?? null, hint, createdAt, updatedAt] as const;
      unique(() => insert.run(id, organizationId, name, description, ...kept));
    },
    async update({ id, name, description, sealed, reference, hint, updatedAt }) {
      const done = unique(() =>
        update.run(name, description, sealed ?? null, reference ?? null, hint, updatedAt, id),
      );
      if (done.changes === 0) throw new SluiceError('not_found', 'There is no credential with this id.');
    },
    async remove(id) {
      return remove.run(id).changes > 0;
    },
    async all() {
      return all.all(MAX_CREDENTIALS).map(recordOf);
    },
    async rewrap(id, from, to) {
      return rewrap.run(to, id, from).changes > 0;
    },
  };
}

/** The gateway's own wrapped secrets in the database. */
export function createKeyringStore(raw: DatabaseSync): KeyringStore {
  const all = raw.prepare('SELECT name, wrapped FROM keyring');
  const insert = raw.prepare(
    'INSERT INTO keyring (name, wrapped, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const rewrap = raw.prepare('UPDATE keyring SET wrapped = ? WHERE name = ? AND wrapped = ?');
  return {
    async all() {
      return Object.fromEntries(all.all().map((row) => [String(row['name']), String(row['wrapped'])]));
    },
    async insert(name, wrapped, at) {
      insert.run(name, wrapped, at);
    },
    async rewrap(name, from, to) {
      return rewrap.run(to, name, from).changes > 0;
    },
  };
}
