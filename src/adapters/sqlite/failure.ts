import { type ErrorFacts, SluiceError } from '../../core/errors/error.ts';
import { ERRORS, type ErrorCode } from '../../core/errors/table.ts';

/** An error as it travels between threads. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  /** The original's own words, for the log only. */
  readonly cause: string;
}

/** SQLite's primary result codes (sqlite.org/rescode.html) that say: the disk or the lock, not the question. */
const DISK_CODES = new Set([5, 6, 8, 10, 13, 14]);
/** The same, that say: what stands in the file is no database, or not the whole of one. */
const DAMAGED_CODES = new Set([11, 26]);
const DAMAGED =
  'The database is damaged: check the disk, and put a backup of sluice.db in its place while no gateway runs.';
const CONSTRAINT = 19;

/** Whether a row with this key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return primaryCode(error) === CONSTRAINT;
}

/** Makes an error fit for a message. What is not ours becomes `ledger_unavailable` or `internal`, without its text. */
export function toPlain(error: unknown): PlainError {
  const cause = error instanceof Error ? error.message : String(error);
  if (error instanceof SluiceError) {
    const param = error.facts.param;
    return { code: error.code, message: error.message, cause, ...(param === undefined ? {} : { param }) };
  }
  if (DAMAGED_CODES.has(primaryCode(error) ?? 0)) {
    return { code: 'ledger_unavailable', message: DAMAGED, cause };
  }
  if (DISK_CODES.has(primaryCode(error) ?? 0) || isDiskError(error)) {
    return { code: 'ledger_unavailable', message: 'The storage cannot be used now; check its disk.', cause };
  }
  return { code: 'internal', message: 'The storage failed on this request.', cause };
}

/** The error again, on the other side. */
export function fromPlain(plain: PlainError): SluiceError {
  const facts: ErrorFacts = {
    cause: plain.cause,
    ...(plain.param === undefined ? {} : { param: plain.param }),
    ...(ERRORS[plain.code].status === 503 ? { retryAfterS: 5 } : {}),
  };
  return new SluiceError(plain.code, plain.message, facts);
}

function primaryCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

function isDiskError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOSPC', 'EIO', 'EROFS', 'EDQUOT', 'EMFILE', 'EACCES', 'EISDIR'].includes(code);
}
