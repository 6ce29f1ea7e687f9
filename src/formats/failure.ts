import type { ErrorCode } from '../core/errors/table.ts';
import type { JsonObject } from '../core/model/index.ts';

/** An upstream's refusal, classified. The upstream's own text never goes further than the log (it may hold a key). */
export interface UpstreamFailure {
  readonly code: ErrorCode;
  /** The upstream's short code or type, unfiltered. */
  readonly upstreamCode?: string;
  /** Anthropic's `details.error_code`, unfiltered. */
  readonly errorCode?: string;
  /** The request field the upstream named. */
  readonly param?: string;
  /** From body or headers, in seconds. */
  readonly retryAfterS?: number;
  /** The upstream's own word on repeating the call (`x-should-retry`); wins over the table's `retry` where it says no. */
  readonly shouldRetry?: boolean;
  /** The upstream's sentence, for classification and masked logging only. */
  readonly text: string;
}

/** An error answer in a client's dialect. */
export interface ErrorReply {
  readonly status: number;
  readonly body: JsonObject;
}
