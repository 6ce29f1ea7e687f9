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
}

/** Rate limits; an absent one does not apply. */
export interface RateLimits {
  /** Requests per minute. */
  readonly rpm?: number;
  /** Tokens per minute, prompt and completion together. */
  readonly tpm?: number;
  /** Requests in flight at once. */
  readonly concurrency?: number;
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
  readonly teamId: string | undefined;
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  /** Names or patterns with `*` that may be asked for; absent means every model. See `isModelAllowed`. */
  readonly models: readonly string[] | undefined;
  readonly limits: RateLimits;
  readonly budget: BudgetRule | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}
