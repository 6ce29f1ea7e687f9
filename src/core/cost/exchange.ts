import type { Usage } from '../model/index.ts';
import type { PriceSnapshot } from './price.ts';

/** How an exchange ended. `crashed`: the process died with the hold open. */
export type Outcome = 'answered' | 'failed' | 'cut' | 'abandoned' | 'refused' | 'crashed';

/** How much of an exchange was parsed: see `core/translation/plan.ts`. */
export type PlanName = 'bytes' | 'patched' | 'canonical';

/** What the cache did. */
export type CacheState = 'hit' | 'semantic' | 'miss' | 'bypass';

/**
 * Why an attempt was made; the first one of an exchange has no kind. `hedge`: beside one that was slow. `restart`: after an
 * answer that broke off. `skipped`: no call was made, `error` says why the place was passed over.
 */
export type AttemptKind = 'retry' | 'failover' | 'fallback' | 'hedge' | 'restart' | 'skipped';

/** One try at one deployment. */
export interface AttemptRecord {
  readonly provider: string;
  readonly upstreamModel: string;
  readonly startedAt: number;
  readonly latencyMs: number;
  /** Upstream HTTP status, absent when none was received. */
  readonly status?: number;
  /** Our error code when the attempt failed; `superseded` when another call of the same exchange answered first. */
  readonly error?: string;
  readonly kind?: AttemptKind;
  /** Where it was processed, as configured; the proof that data stayed there. */
  readonly region?: string;
}

/** Where the key of an exchange belonged when it was made. Absent: to the default organization and nothing below it. */
export interface ExchangePlace {
  readonly organizationId: string;
  readonly teamId: string | undefined;
  readonly projectId: string | undefined;
  /** The user or service account whose key it is; not `user`, which the client names. */
  readonly ownerId: string | undefined;
}

/** Money set aside before a call: enough to charge it if the process dies. Written before the upstream is reached. */
export interface HoldRecord {
  readonly id: string;
  readonly startedAt: number;
  readonly keyId: string | undefined;
  readonly model: string;
  readonly format: string;
  readonly stream: boolean;
  readonly clientRequestId: string | undefined;
  /** Worst-case cost in nano-dollars. */
  readonly heldNano: number;
  readonly tags: Readonly<Record<string, string>>;
  /** As in `ExchangeRecord`; so that a crashed exchange is counted with its user and operation. */
  readonly operation?: string | undefined;
  readonly user?: string | undefined;
  readonly place?: ExchangePlace | undefined;
  /** Budgets and windows that pay; see `readCharges`. */
  readonly charges?: string | undefined;
}

/** Cost by usage class in nano-dollars; `total` is their exact sum. */
export interface Cost {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly output: number;
  readonly audioInput: number;
  readonly audioOutput: number;
  readonly images: number;
  readonly requests: number;
  readonly total: number;
}

/** The finished story of an exchange, as logged. Times are milliseconds since 1970; money is nano-dollars. */
export interface ExchangeRecord {
  readonly id: string;
  readonly clientRequestId: string | undefined;
  readonly startedAt: number;
  readonly keyId: string | undefined;
  /** The operation, for example `chat` or `embeddings`. */
  readonly operation: string;
  /** The model name as asked. */
  readonly model: string;
  readonly provider: string | undefined;
  readonly upstreamModel: string | undefined;
  /** The client's dialect. */
  readonly format: string;
  readonly upstreamFormat: string | undefined;
  readonly stream: boolean;
  /** HTTP status sent, or 499 when the client left first. */
  readonly status: number;
  readonly outcome: Outcome;
  /** Our error code, when there was one. */
  readonly error: string | undefined;
  readonly finishReason: string | undefined;
  readonly usage: Usage;
  readonly cost: Cost | undefined;
  readonly price: PriceSnapshot | undefined;
  readonly latencyMs: number;
  readonly firstByteMs: number | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly cache: CacheState;
  readonly plan: PlanName | undefined;
  readonly dropped: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly user: string | undefined;
  readonly session: string | undefined;
  readonly metadata: string | undefined;
  /** The route decision's receipt, JSON text. */
  readonly receipt: string | undefined;
  readonly place?: ExchangePlace | undefined;
  /** Budgets and windows that paid; see `readCharges`. */
  readonly charges?: string | undefined;
  /** What policies, budgets and approvals did to the request, JSON text. */
  readonly ruling?: string | undefined;
}
