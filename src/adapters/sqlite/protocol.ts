import type { PlainError } from './failure.ts';
import type { IngestReport } from './ingest.ts';

/** What the worker is started with. */
export interface WorkerStart {
  readonly databasePath: string;
  readonly journalDirectory: string;
  /** First segment of the running process. */
  readonly firstSegment: number;
  /** The process's number among those that share the database. Default 1. */
  readonly slot?: number;
}

/** A call to the worker: a method of one of the stores, or `ledger.ingest` and `ledger.expireHolds`. */
export interface Call {
  readonly id: number;
  readonly noun: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** What the worker says: an answer to a call, that it is ready (with what recovery found), or that it cannot start. */
export type WorkerMessage =
  | { readonly kind: 'value'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'ready'; readonly recovered: IngestReport }
  | { readonly kind: 'refused'; readonly error: PlainError };
