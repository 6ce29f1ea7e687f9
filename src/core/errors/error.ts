import { type Blame, ERRORS, type ErrorCode, type Retry } from './table.ts';

/** What an error carries besides its code and sentence. Nothing here may hold a secret, a path or a stack. */
export interface ErrorFacts {
  /** The request field at fault, as a JSON path in the client's own dialect, for example `messages[2].content`. */
  readonly param?: string;
  /** Overrides the table's status where an upstream's own class is kept (F1). */
  readonly status?: number;
  /** Seconds after which trying again makes sense; sent as `retry-after`. */
  readonly retryAfterS?: number;
  /** The upstream's own word on making the same call again (`x-should-retry`). */
  readonly shouldRetry?: boolean;
  readonly provider?: string;
  readonly upstreamStatus?: number;
  /** The upstream's own short error code, filtered to `[A-Za-z0-9_.-]`, at most 64 characters. */
  readonly upstreamCode?: string;
  /** Facts for the caller, for example the budget's state. JSON-safe. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
  /** Response headers that explain the refusal, for example `x-ratelimit-*`. Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The one error type that crosses layers. `message` is a sentence that says what to do. */
export class SluiceError extends Error {
  override readonly name = 'SluiceError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.facts = facts;
  }

  /** HTTP status towards the client. */
  get status(): number {
    return this.facts.status ?? ERRORS[this.code].status;
  }

  get blame(): Blame {
    return ERRORS[this.code].blame;
  }

  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
}

/** A 400 that names the field. */
export function badRequest(param: string, message: string): SluiceError {
  return new SluiceError('bad_request', message, { param });
}

/** A refusal before the call: the target cannot do what was asked, and dropping it would change the meaning. */
export function unsupported(param: string, message: string): SluiceError {
  return new SluiceError('unsupported_feature', message, { param });
}
