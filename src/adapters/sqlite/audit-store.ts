import { type Kysely, type Selectable, sql } from 'kysely';
import { SluiceError } from '../../core/errors/error.ts';
import type { AuditFilter, AuditRecord, AuditStore } from '../../ports/audit-store.ts';
import { isUniqueViolation } from './failure.ts';
import { limitOf, pageOf, placeOf } from './paging.ts';
import type { AuditTable, Schema } from './schema.ts';

type Audit = Selectable<AuditTable>;

/** Without the organization, which is read out of the details: of a text that somebody broke it cannot be. */
const COLUMNS = ['sequence', 'at', 'actor', 'action', 'target', 'details', 'previous_hash', 'hash'] as const;

function auditOf(row: Audit): AuditRecord {
  const { sequence, at, actor, action, target, details, hash } = row;
  return { sequence, at, actor, action, target, details, hash, previousHash: row.previous_hash };
}

/** Conditions of a filter, as SQL. The beginning of a name is compared, not LIKE: it may hold wildcards. */
function* conditionsOf({ organizationId, actor, action, target, from, to }: AuditFilter) {
  if (organizationId !== undefined) yield sql<boolean>`organization_id = ${organizationId}`;
  if (actor !== undefined) yield sql<boolean>`actor = ${actor}`;
  if (target !== undefined) yield sql<boolean>`target = ${target}`;
  if (from !== undefined) yield sql<boolean>`at >= ${from}`;
  if (to !== undefined) yield sql<boolean>`at < ${to}`;
  if (action?.endsWith('*')) {
    const start = action.slice(0, -1);
    yield sql<boolean>`substr(action, 1, length(${start})) = ${start}`;
  } else if (action !== undefined) yield sql<boolean>`action = ${action}`;
}

function movedOn(): SluiceError {
  return new SluiceError('conflict', 'The audit log has moved on; read its head and try again.');
}

/** The audit chain in the database. */
export function createAuditStore(typed: Kysely<Schema>): AuditStore {
  const head = async () => {
    const newest = typed.selectFrom('audit').select(COLUMNS).orderBy('sequence', 'desc').limit(1);
    const row = await newest.executeTakeFirst();
    return row && auditOf(row);
  };
  const rows = (filter: AuditFilter = {}) => {
    let query = typed.selectFrom('audit').select(COLUMNS);
    for (const condition of conditionsOf(filter)) query = query.where(condition);
    return query;
  };
  return {
    head,
    async append(record) {
      const last = await head();
      const follows = record.sequence === (last?.sequence ?? 0) + 1;
      if (!follows || record.previousHash !== (last?.hash ?? '')) {
        throw movedOn();
      }
      const { previousHash, ...rest } = record;
      try {
        await typed
          .insertInto('audit')
          .values({ ...rest, previous_hash: previousHash })
          .execute();
      } catch (error) {
        // Another process was faster by less than it takes to look; what else refuses the row is a fault.
        const passed = isUniqueViolation(error) && (await head())?.sequence !== last?.sequence;
        throw passed ? movedOn() : error;
      }
    },
    async list(page, filter) {
      const limit = limitOf(page);
      const place = placeOf(page);
      const found = await rows(filter)
        .where('sequence', '<', place?.at ?? Number.MAX_SAFE_INTEGER)
        .orderBy('sequence', 'desc')
        .limit(limit + 1)
        .execute();
      const shape = { place: (row: Audit) => ({ at: row.sequence, id: 'a' }), item: auditOf };
      return pageOf(found, limit, shape);
    },
    async after(sequence, limit, filter) {
      const found = await rows(filter)
        .where('sequence', '>', sequence)
        .orderBy('sequence')
        .limit(limitOf({ limit }))
        .execute();
      return found.map(auditOf);
    },
  };
}
