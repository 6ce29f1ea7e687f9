import { SluiceError } from '../core/errors/error.ts';
import type { Log } from '../ports/log-sink.ts';
import type { AuditLog } from './audit.ts';
import { maskFacts } from './audit-mask.ts';
import type { Caller } from './caller.ts';

/** A change that is no call of the admin API: a directory's, or one that signing in brings with it. */
export interface Change {
  readonly caller: Pick<Caller, 'actor' | 'address'>;
  readonly action: string;
  readonly target: string;
  readonly organization: string;
  /** What was there; `null` for something new. */
  readonly before: unknown;
  /** What was asked for, where that is not the same as what becomes of it. */
  readonly input?: unknown;
}

/** What came of it, for the caller and for the log. */
export interface Changed<Result> {
  readonly result: Result;
  readonly after: unknown;
  /** The id of something new. */
  readonly target?: string;
}

/**
 * Carries a change out between two entries, as the admin API does: without the first it does not happen, the second says
 * what was there before and after. Throws `ledger_unavailable` when the first cannot be stored, and what `work` throws.
 */
export async function auditedChange<Result>(
  ports: { readonly audit: AuditLog; readonly log: Log },
  change: Change,
  work: () => Promise<Changed<Result>>,
): Promise<Result> {
  const { caller, action, target, organization } = change;
  const input = change.input === undefined ? {} : { input: maskFacts(change.input) };
  const facts = { ...input, before: maskFacts(change.before) };
  await ports.audit.append(caller, { action: `${action}.asked`, target, organization, details: facts });
  /** It has happened or not, and the entry before says that it was asked for. */
  const tell = (entry: { action: string; target: string; details: unknown }) =>
    ports.audit.append(caller, { ...entry, organization }).catch((cause: unknown) => {
      ports.log.error('audit.outcome_not_written', { action: entry.action, error: String(cause) });
    });
  let changed: Changed<Result>;
  try {
    changed = await work();
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : 'internal';
    await tell({ action: `${action}.refused`, target, details: { error: code } });
    throw error;
  }
  const details = { ...facts, after: maskFacts(changed.after) };
  await tell({ action, target: changed.target ?? target, details });
  return changed.result;
}
