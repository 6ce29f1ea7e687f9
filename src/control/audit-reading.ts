import type { z } from 'zod';
import { SluiceError } from '../core/errors/error.ts';
import type { AuditFilter, AuditRecord } from '../ports/audit-store.ts';
import type { Store } from '../ports/store.ts';
import type { AuditLog } from './audit.ts';
import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import type { OutputOf, ParsedInputOf } from './contract.ts';
import { isOf, teamsWith } from './rights.ts';
import type { auditRow } from './shapes.ts';

/** Entries read at a time for an export. */
const EXPORT_BATCH = 500;

interface Asked {
  readonly organization_id?: string | undefined;
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** What a caller reads. Throws `forbidden` for who sees only some teams, `not_found` for another's organization. */
function filterFor(caller: Caller, asked: Asked): AuditFilter {
  if (teamsWith(caller, 'audit:read') !== 'all') {
    throw new SluiceError('forbidden', 'The audit log is read by those who audit the whole organization.');
  }
  const named = asked.organization_id;
  if (named !== undefined && !isOf(caller, named)) throw notFound('organization');
  return {
    organizationId: named ?? (caller.tenant === 'every' ? undefined : caller.tenant.organizationId),
    actor: asked.actor,
    action: asked.action,
    target: asked.target,
    from: asked.from === undefined ? undefined : Date.parse(asked.from),
    to: asked.to === undefined ? undefined : Date.parse(asked.to),
  };
}

function rowOf(record: AuditRecord): z.output<typeof auditRow> {
  return {
    sequence: record.sequence,
    at: toTime(record.at),
    actor: record.actor,
    action: record.action,
    target: record.target,
    details: detailsOf(record),
    hash: record.hash,
  };
}

/** Somebody may have altered the text; that is for `verify` to say, and no reason to show nothing. */
function detailsOf({ details }: AuditRecord): unknown {
  try {
    return JSON.parse(details) as unknown;
  } catch {
    return { unreadable: details };
  }
}

/** An entry with all that its hash covers. */
export function exportRowOf(record: AuditRecord): OutputOf<'exportAudit'> {
  const row = rowOf(record);
  const organization = (row.details as { organization?: unknown } | null)?.organization;
  return { ...row, organization_id: String(organization ?? ''), previous_hash: record.previousHash };
}

function headOf(text: string | undefined) {
  const [sequence, hash] = text?.split(':') ?? [];
  return sequence === undefined || hash === undefined ? undefined : { sequence: Number(sequence), hash };
}

interface ReadingPorts {
  readonly store: Store;
  readonly audit: AuditLog;
}

/** Entries for an export, oldest first, as they are read. */
export async function* auditLines(
  { store }: ReadingPorts,
  input: ParsedInputOf<'exportAudit'>,
  caller: Caller,
): AsyncGenerator<OutputOf<'exportAudit'>> {
  const filter = filterFor(caller, input);
  let last = input.after;
  for (;;) {
    const batch = await store.audit.after(last, EXPORT_BATCH, filter);
    for (const record of batch) yield exportRowOf(record);
    last = batch.at(-1)?.sequence ?? last;
    if (batch.length < EXPORT_BATCH) return;
  }
}

/** Reading the audit log. */
export function createAuditHandlers(ports: ReadingPorts): Pick<Handlers, 'listAudit' | 'verifyAudit'> {
  return {
    async listAudit({ limit, cursor, ...asked }, caller) {
      const page = await ports.store.audit.list({ limit, cursor }, filterFor(caller, asked));
      return { data: page.data.map(rowOf), next_cursor: page.nextCursor ?? null };
    },
    async verifyAudit(input, caller) {
      filterFor(caller, {});
      const { valid, entries, firstBad, problem, head } = await ports.audit.verify(headOf(input.head));
      return {
        valid,
        entries,
        first_bad_sequence: firstBad ?? null,
        problem: problem ?? null,
        head: head === undefined ? null : { ...head },
      };
    },
  };
}
