import { type Insertable, type Kysely, type Selectable, sql } from 'kysely';
import { SluiceError } from '../../core/errors/error.ts';
import type { VirtualKey } from '../../core/policy/virtual-key.ts';
import type { KeyExpectation, KeyFilter, KeyStore } from '../../ports/store.ts';
import { isUniqueViolation } from './failure.ts';
import { limitOf, pageOf, placeOf } from './paging.ts';
import type { KeyTable, Schema } from './schema.ts';

/** Virtual keys in the database. */
export function createKeyStore(typed: Kysely<Schema>): KeyStore {
  const get = async (id: string) => {
    const row = await typed.selectFrom('virtual_keys').selectAll().where('id', '=', id).executeTakeFirst();
    return row && fromRow(row, JSON.parse);
  };
  return {
    get,
    async insert(key) {
      await orConflict(typed.insertInto('virtual_keys').values(toRow(key)).execute());
    },
    async list(page, filter) {
      const limit = limitOf(page);
      const place = placeOf(page);
      const { tenant, within } = filter;
      const query = typed
        .selectFrom('virtual_keys')
        .selectAll()
        .where('revoked_at', 'is', null)
        .$if(tenant !== 'every', (rest) =>
          rest.where('organization_id', '=', (tenant as { organizationId: string }).organizationId),
        )
        .$if(within !== undefined, (rest) => rest.where(ofTeamsOrOwner(within)))
        .$if(filter.teamId !== undefined, (rest) => rest.where('team_id', '=', filter.teamId ?? ''))
        .$if(filter.projectId !== undefined, (rest) => rest.where('project_id', '=', filter.projectId ?? ''))
        .$if(filter.userId !== undefined, (rest) => rest.where('user_id', '=', filter.userId ?? ''))
        .$if(filter.serviceAccountId !== undefined, (rest) =>
          rest.where('service_account_id', '=', filter.serviceAccountId ?? ''),
        )
        .$if(place !== undefined, (rest) =>
          rest.where(sql<boolean>`(created_at, id) < (${place?.at}, ${place?.id})`),
        )
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1);
      const shape = {
        place: (row: Row) => ({ at: row.created_at, id: row.id }),
        item: (row: Row) => fromRow(row, JSON.parse),
      };
      return pageOf(await query.execute(), limit, shape);
    },
    async update(id, change, expected) {
      const key = await get(id);
      if (key === undefined) {
        throw new SluiceError('not_found', 'There is no key with this id.');
      }
      refuseUnexpected(key, expected);
      const changed: VirtualKey = { ...key, ...change, id } as VirtualKey;
      await orConflict(typed.updateTable('virtual_keys').set(toRow(changed)).where('id', '=', id).execute());
      return changed;
    },
    async active({ prefix = '', after, limit }) {
      const rows = await typed
        .selectFrom('virtual_keys')
        .selectAll()
        .where('revoked_at', 'is', null)
        .$if(prefix !== '', (rest) => rest.where('id', '>=', prefix).where('id', '<', `${prefix}${LAST}`))
        .$if(after !== undefined, (rest) => rest.where('id', '>', after ?? ''))
        .orderBy('id')
        .limit(limit)
        .execute();
      // Thousands of keys say the same: one object each is quicker to send, and smaller for whoever keeps them.
      const known = new Map<string, unknown>();
      const read: ReadJson = (text) => {
        if (!known.has(text)) known.set(text, JSON.parse(text));
        return known.get(text) as never;
      };
      return rows.map((row) => fromRow(row, read));
    },
  };
}

type Row = Selectable<KeyTable>;

/** Sorts after every character. */
const LAST = '\u{10ffff}';

function refuseUnexpected(key: VirtualKey, expected: KeyExpectation = {}): void {
  const { hash = key.hash, unclaimed = key.rotation?.unclaimed } = expected;
  if (hash === key.hash && unclaimed === key.rotation?.unclaimed) return;
  throw new SluiceError(
    'conflict',
    'This key was given another secret, or its new one was claimed, meanwhile.',
  );
}

/** A condition on keys: of one of these teams, or of this owner. */
export function ofTeamsOrOwner(within: KeyFilter['within']) {
  const teams = JSON.stringify(within?.teamIds ?? []);
  const owner = within?.ownerId ?? null;
  return sql<boolean>`(team_id IN (SELECT value FROM json_each(${teams})) OR user_id = ${owner}
    OR service_account_id = ${owner})`;
}

async function orConflict(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (isUniqueViolation(error)) {
      throw new SluiceError('conflict', 'There is a key with this id or secret already.');
    }
    throw error;
  }
}

function toRow(key: VirtualKey): Insertable<KeyTable> {
  return {
    id: key.id,
    name: key.name,
    hash: key.hash,
    hint: key.hint,
    previous_hash: key.previousHash ?? null,
    previous_hash_expires_at: key.previousHashExpiresAt ?? null,
    created_at: key.createdAt,
    expires_at: key.expiresAt ?? null,
    blocked: key.blocked ? 1 : 0,
    revoked_at: key.revokedAt ?? null,
    organization_id: key.organizationId,
    service_account_id: key.serviceAccountId ?? null,
    policy: JSON.stringify(key.policy),
    limited_by: JSON.stringify(key.limitedBy),
    rotation: key.rotation === undefined ? null : JSON.stringify(key.rotation),
    team_id: key.teamId ?? null,
    project_id: key.projectId ?? null,
    user_id: key.userId ?? null,
    models: key.models === undefined ? null : JSON.stringify(key.models),
    limits: JSON.stringify(key.limits),
    budget: key.budget === undefined ? null : JSON.stringify(key.budget),
    metadata: JSON.stringify(key.metadata),
  };
}

/** JSON text of a column as what it is. */
type ReadJson = <Value>(text: string) => Value;

function fromRow(row: Row, read: ReadJson): VirtualKey {
  return {
    id: row.id,
    name: row.name,
    hash: row.hash,
    hint: row.hint,
    previousHash: row.previous_hash ?? undefined,
    previousHashExpiresAt: row.previous_hash_expires_at ?? undefined,
    createdAt: row.created_at,
    expiresAt: row.expires_at ?? undefined,
    blocked: row.blocked !== 0,
    revokedAt: row.revoked_at ?? undefined,
    organizationId: row.organization_id,
    serviceAccountId: row.service_account_id ?? undefined,
    policy: read(row.policy),
    limitedBy: read(row.limited_by),
    rotation: row.rotation === null ? undefined : read(row.rotation),
    teamId: row.team_id ?? undefined,
    projectId: row.project_id ?? undefined,
    userId: row.user_id ?? undefined,
    models: row.models === null ? undefined : read(row.models),
    limits: read(row.limits),
    budget: row.budget === null ? undefined : read(row.budget),
    metadata: read(row.metadata),
  };
}
