import type { Policy } from './policy.ts';

/** Calendar windows of a budget, in UTC; a week begins on Monday. `total` never ends. */
export type BudgetWindow = 'hour' | 'day' | 'week' | 'month' | 'total';

/** What happens when a budget would be passed. */
export type BudgetAction = 'block' | 'warn' | 'downgrade' | 'approve';

/** A spending limit. */
export interface BudgetRule {
  /** Nano-dollars per window. */
  readonly limitNano: number;
  readonly window: BudgetWindow;
  readonly action: BudgetAction;
  /** The cheaper model of `downgrade`. */
  readonly downgradeTo?: string | undefined;
}

/** Rate limits; an absent one does not apply. */
export interface RateLimits {
  /** Requests per minute. */
  readonly rpm?: number;
  /** Requests per hour. */
  readonly rph?: number;
  /** Requests per day. */
  readonly rpd?: number;
  /** Tokens per minute, prompt and completion together. */
  readonly tpm?: number;
  /** Tokens per hour. */
  readonly tph?: number;
  /** Tokens per day. */
  readonly tpd?: number;
  /** Requests in flight at once. */
  readonly concurrency?: number;
}

/** Limits of a key or a place, and what happens at them; named as the API names them, because they are kept as sent. */
export interface PlaceLimits extends RateLimits {
  /** What is over the limit is refused (default), or waits for its turn. */
  readonly on_limit?: 'refuse' | 'queue';
  /** Longest wait, milliseconds; 10,000 when absent. */
  readonly max_wait_ms?: number;
  /** Requests that may wait at once; 100 when absent. */
  readonly max_waiting?: number;
}

/** A new secret at fixed times. */
export interface KeyRotation {
  /** Seconds between two secrets. */
  readonly everyS: number;
  /** Seconds for which the old secret works on. */
  readonly overlapS: number;
  /** When the next one is due. */
  readonly nextAt: number;
  /** The newest secret, sealed, until its owner has claimed it. */
  readonly unclaimed: string | undefined;
}

/** A key we issued. Times are milliseconds since 1970. The secret itself is kept nowhere, only its keyed hash. */
export interface VirtualKey {
  readonly id: string;
  readonly name: string;
  /** `SecretBox.hashKey` of the secret. */
  readonly hash: string;
  /** The secret's last four characters, to recognise it by. */
  readonly hint: string;
  /** The secret before the last rotation, accepted until `previousHashExpiresAt`. */
  readonly previousHash: string | undefined;
  readonly previousHashExpiresAt: number | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly blocked: boolean;
  /** Set when the key was deleted: it is refused and no longer listed, but its id still explains old log rows. */
  readonly revokedAt: number | undefined;
  readonly organizationId: string;
  readonly teamId: string | undefined;
  readonly projectId: string | undefined;
  /** Whose key it is: a person's, or a program's. At most one of both; neither for a key of the team itself. */
  readonly userId: string | undefined;
  readonly serviceAccountId: string | undefined;
  /** Names or patterns with `*` that may be asked for; absent means every model. See `isModelAllowed`. */
  readonly models: readonly string[] | undefined;
  /** What the key says beyond `models` and `limits`. */
  readonly policy: Policy;
  /** Users whose own policies bound this key: who made it, and who widened it. */
  readonly limitedBy: readonly string[];
  readonly rotation: KeyRotation | undefined;
  readonly limits: PlaceLimits;
  readonly budget: BudgetRule | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}
