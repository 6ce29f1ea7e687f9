import { type Kysely, type RawBuilder, sql } from 'kysely';
import { SluiceError } from '../../core/errors/error.ts';
import type { PlaceKind, Places } from '../../core/policy/place.ts';
import type { AllPlaces, PlaceFilter, PlaceStore, Tenant } from '../../ports/place-store.ts';
import { isUniqueViolation } from './failure.ts';
import { limitOf, pageOf, placeOf } from './paging.ts';
import { columnOf, fromRow, PLACE_TABLES, type Row, toRow } from './place-rows.ts';
import type { Schema } from './schema.ts';

/** Changes kept for those who ask what is new; who is further behind reads everything. */
const KEPT_CHANGES = 10_000;
/** Changes told at once. */
const MAX_CHANGES = 500;

type Condition = RawBuilder<unknown>;

/** Organizations and what they hold, in the database. */
export function createPlaceStore(typed: Kysely<Schema>): PlaceStore {
  const select = async <Kind extends PlaceKind>(kind: Kind, rest: Condition): Promise<Row[]> => {
    const table = sql.table(PLACE_TABLES[kind].table);
    return (await sql<Row>`SELECT * FROM ${table} WHERE ${rest}`.execute(typed)).rows;
  };
  const get = async <Kind extends PlaceKind>(kind: Kind, tenant: Tenant, id: string) => {
    const [row] = await select(kind, all([sql`id = ${id}`, ...tenantCondition(kind, tenant)]));
    return row === undefined ? undefined : fromRow(kind, row);
  };
  return {
    get,
    async insert(kind, tenant, row) {
      refuseForeign(kind, tenant, row);
      const columns = toRow(kind, row);
      const names = sql.join(Object.keys(columns).map((name) => sql.ref(name)));
      const values = sql.join(Object.values(columns));
      const table = sql.table(PLACE_TABLES[kind].table);
      await orConflict(kind, sql`INSERT INTO ${table} (${names}) VALUES (${values})`.execute(typed));
    },
    async list(kind, tenant, { page, filter }) {
      const limit = limitOf(page);
      const place = placeOf(page);
      const conditions = [
        ...tenantCondition(kind, tenant),
        ...filterConditions(kind, filter),
        ...(kind === 'user' ? [sql`deleted_at IS NULL`] : []),
        ...(place === undefined ? [] : [sql`(created_at, id) < (${place.at}, ${place.id})`]),
      ];
      const order = sql`ORDER BY created_at DESC, id DESC LIMIT ${limit + 1}`;
      const rows = await select(kind, sql`${all(conditions)} ${order}`);
      return pageOf(rows, limit, {
        place: (row) => ({ at: Number(row['created_at']), id: String(row['id']) }),
        item: (row) => fromRow(kind, row),
      });
    },
    async update(kind, tenant, { id, change }) {
      const columns = Object.entries(toRow(kind, change));
      const where = all([sql`id = ${id}`, ...tenantCondition(kind, tenant)]);
      if (columns.length > 0) {
        const assignments = sql.join(columns.map(([name, value]) => sql`${sql.ref(name)} = ${value}`));
        const table = sql.table(PLACE_TABLES[kind].table);
        await orConflict(kind, sql`UPDATE ${table} SET ${assignments} WHERE ${where}`.execute(typed));
      }
      const changed = await get(kind, tenant, id);
      if (changed === undefined)
        throw new SluiceError('not_found', `There is no ${wordOf(kind)} with this id.`);
      return changed;
    },
    async remove(kind, tenant, id) {
      const table = sql.table(PLACE_TABLES[kind].table);
      const where = all([sql`id = ${id}`, ...tenantCondition(kind, tenant)]);
      const done = await orConflict(kind, sql`DELETE FROM ${table} WHERE ${where}`.execute(typed));
      return (done.numAffectedRows ?? 0n) > 0n;
    },
    async findIdentity(issuer, subject) {
      const [row] = await select('identity', sql`issuer = ${issuer} AND subject = ${subject}`);
      return row === undefined ? undefined : fromRow('identity', row);
    },
    all: () => readAll(select),
    changesSince: (version) => readChanges(typed, version),
  };
}

function all(conditions: readonly Condition[]): Condition {
  return conditions.length === 0 ? sql`1 = 1` : sql.join([...conditions], sql` AND `);
}

function tenantCondition(kind: PlaceKind, tenant: Tenant): readonly Condition[] {
  if (tenant === 'every') return [];
  return [sql`${sql.ref(kind === 'organization' ? 'id' : 'organization_id')} = ${tenant.organizationId}`];
}

function filterConditions(kind: PlaceKind, filter: PlaceFilter = {}): readonly Condition[] {
  const { ids, ...facts } = filter;
  const fields: object = PLACE_TABLES[kind].fields;
  const conditions = Object.entries(facts).flatMap(([field, value]) => {
    if (value === undefined) return [];
    if (!(field in fields)) throw new SluiceError('internal', `A ${wordOf(kind)} has no ${field}.`);
    return [sql`${sql.ref(columnOf(field))} = ${value}`];
  });
  // One parameter, however many ids: SQLite takes a bounded number of them.
  if (ids !== undefined) conditions.push(sql`id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`);
  return conditions;
}

/** A tenant writes its own rows only. Nobody should get here with another's: it is refused before. */
function refuseForeign<Kind extends PlaceKind>(kind: Kind, tenant: Tenant, row: Places[Kind]): void {
  if (tenant === 'every') return;
  const owner = 'organizationId' in row ? row.organizationId : undefined;
  if (owner !== tenant.organizationId) {
    throw new SluiceError('forbidden', `This ${wordOf(kind)} belongs to another organization.`);
  }
}

async function orConflict<T>(kind: PlaceKind, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    const pointsAtNothing = error instanceof Error && error.message.includes('FOREIGN KEY');
    throw new SluiceError(
      'conflict',
      pointsAtNothing
        ? `This ${wordOf(kind)} is still used by others, or what it names is gone.`
        : `Another ${wordOf(kind)} has this name, address or id already: each is used once.`,
    );
  }
}

function wordOf(kind: PlaceKind): string {
  return kind.replace('_', ' ');
}

type Select = <Kind extends PlaceKind>(kind: Kind, rest: Condition) => Promise<Row[]>;

async function readAll(select: Select): Promise<AllPlaces> {
  const read = async <Kind extends PlaceKind>(kind: Kind) =>
    (await select(kind, sql`1 = 1`)).map((row) => fromRow(kind, row));
  return {
    organization: await read('organization'),
    team: await read('team'),
    project: await read('project'),
    user: await read('user'),
    service_account: await read('service_account'),
    membership: await read('membership'),
    role: await read('role'),
  };
}

async function readChanges(typed: Kysely<Schema>, since: number): ReturnType<PlaceStore['changesSince']> {
  const table = sql.table('identity_changes');
  const bounds = await sql<{ first: number | null; last: number | null }>`
    SELECT min(version) AS first, max(version) AS last FROM ${table}`.execute(typed);
  const { first, last } = bounds.rows[0] ?? { first: null, last: null };
  const version = last ?? 0;
  const nothing = { version, keys: [], places: false, budgets: false, prices: false, everything: false };
  if (since < 0) return { ...nothing, everything: true };
  if (version === since) return nothing;
  if (last !== null && last - (first ?? last) > 2 * KEPT_CHANGES) {
    await sql`DELETE FROM ${table} WHERE version <= ${last - KEPT_CHANGES}`.execute(typed);
  }
  // A version behind what is still written down, or ahead of it (the database was replaced): start over.
  if (version < since || (first ?? 0) > since + 1 || version - since > MAX_CHANGES) {
    return { ...nothing, everything: true };
  }
  const { rows } = await sql<{ kind: string; id: string }>`
    SELECT DISTINCT kind, id FROM ${table} WHERE version > ${since}`.execute(typed);
  const keys = rows.filter(({ kind }) => kind === 'key').map(({ id }) => id);
  const of = (wanted: string) => rows.some(({ kind }) => kind === wanted);
  return { ...nothing, keys, places: of('place'), budgets: of('budget'), prices: of('price') };
}
