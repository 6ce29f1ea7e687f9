import type { AuditRecord } from './audit-store.ts';

/** Where audit entries are sent. */
export interface AuditSink {
  /** Resolves when the sink has taken all of them; throws otherwise, and all of them are sent again later. */
  send(records: readonly AuditRecord[], signal: AbortSignal): Promise<void>;
  close(): void;
}
