import type { DatabaseSync } from 'node:sqlite';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { Approval } from '../../core/policy/approval.ts';
import type { ApprovalStore } from '../../ports/budget-store.ts';
import { limitOf, pageOf, placeOf } from './paging.ts';
import type { ApprovalTable, Schema } from './schema.ts';

type Row = Selectable<ApprovalTable>;

/** Approvals in the database. What must happen once is one conditional statement. */
export function createApprovalStore(raw: DatabaseSync, typed: Kysely<Schema>): ApprovalStore {
  const get = async (id: string): Promise<Approval | undefined> => {
    const row = await typed.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirst();
    return row && fromRow(row);
  };
  const use = raw.prepare(
    `UPDATE approvals SET status = 'used', used_at = ?
     WHERE id = ? AND status = 'approved' AND request_hash = ? AND expires_at > ?`,
  );
  const decide = raw.prepare(
    `UPDATE approvals SET status = ?, decided_at = ?, decided_by = ?, reason = ?
     WHERE id = ? AND status = 'pending' AND expires_at > ?`,
  );
  return {
    get,
    async insert(approval) {
      await typed.insertInto('approvals').values(toRow(approval)).execute();
    },
    async list(page, filter) {
      const limit = limitOf(page);
      const place = placeOf(page);
      const { tenant, status, kind, openAt } = filter;
      const rows = await typed
        .selectFrom('approvals')
        .selectAll()
        .$if(tenant !== 'every', (rest) =>
          rest.where('organization_id', '=', (tenant as { organizationId: string }).organizationId),
        )
        .$if(status !== undefined, (rest) => rest.where('status', '=', status ?? ''))
        .$if(kind !== undefined, (rest) => rest.where('kind', '=', kind ?? ''))
        .$if(openAt !== undefined, (rest) => rest.where('expires_at', '>', openAt ?? 0))
        .$if(place !== undefined, (rest) =>
          rest.where(sql<boolean>`(created_at, id) < (${place?.at}, ${place?.id})`),
        )
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute();
      return pageOf(rows, limit, {
        place: (row: Row) => ({ at: row.created_at, id: row.id }),
        item: fromRow,
      });
    },
    async findOpen(requestHash, now) {
      const row = await typed
        .selectFrom('approvals')
        .selectAll()
        .where('request_hash', '=', requestHash)
        .where('expires_at', '>', now)
        .where('status', 'in', ['pending', 'approved'])
        .orderBy('created_at', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row && fromRow(row);
    },
    async countPending(keyId, now) {
      const row = await typed
        .selectFrom('approvals')
        .select((all) => all.fn.countAll<number>().as('count'))
        .where('key_id', '=', keyId)
        .where('status', '=', 'pending')
        .where('expires_at', '>', now)
        .executeTakeFirst();
      return Number(row?.count ?? 0);
    },
    async decide(id, decision) {
      const { status, at, by, reason } = decision;
      const { changes } = decide.run(status, at, by, reason ?? null, id, at);
      return Number(changes) === 1 ? get(id) : undefined;
    },
    async use(id, requestHash, now) {
      return Number(use.run(now, id, requestHash, now).changes) === 1;
    },
    async prune(before) {
      const done = await typed.deleteFrom('approvals').where('created_at', '<', before).executeTakeFirst();
      return Number(done.numDeletedRows);
    },
  };
}

function toRow(approval: Approval): ApprovalTable {
  return {
    id: approval.id,
    kind: approval.kind,
    organization_id: approval.organizationId ?? null,
    requested_by: approval.requestedBy,
    key_id: approval.keyId ?? null,
    subject: approval.subject,
    details: approval.details,
    request_hash: approval.requestHash ?? null,
    status: approval.status,
    created_at: approval.createdAt,
    expires_at: approval.expiresAt,
    decided_at: approval.decidedAt ?? null,
    decided_by: approval.decidedBy ?? null,
    reason: approval.reason ?? null,
    used_at: approval.usedAt ?? null,
  };
}

function fromRow(row: Row): Approval {
  return {
    id: row.id,
    kind: row.kind as Approval['kind'],
    organizationId: row.organization_id ?? undefined,
    requestedBy: row.requested_by,
    keyId: row.key_id ?? undefined,
    subject: row.subject,
    details: row.details,
    requestHash: row.request_hash ?? undefined,
    status: row.status as Approval['status'],
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    decidedAt: row.decided_at ?? undefined,
    decidedBy: row.decided_by ?? undefined,
    reason: row.reason ?? undefined,
    usedAt: row.used_at ?? undefined,
  };
}
