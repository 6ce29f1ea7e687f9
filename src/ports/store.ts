import type { ExchangeRecord } from '../core/cost/exchange.ts';
import type { Price } from '../core/cost/price.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { AttemptStore } from './attempt-store.ts';
import type { AuditStore } from './audit-store.ts';
import type { ApprovalStore, BudgetStore, RuleStore } from './budget-store.ts';
import type { CredentialStore, KeyringStore } from './credential-store.ts';
import type { LabelStore } from './label-store.ts';
import type { Extent, PlaceStore } from './place-store.ts';
import type { ProcessRegister } from './processes.ts';
import type { SharedCounts } from './shared-counts.ts';
import type { SharedSpend } from './shared-spend.ts';
import type { TurnStore } from './turn-store.ts';

/**
 * Everything durable, split by noun. Plain data in and out: times are milliseconds since 1970, money is nano-dollars
 * in safe integers. Ids and times come from the caller, never from the database.
 *
 * Every method may throw `overloaded` (the queue to the storage is full) or `ledger_unavailable` (it did not answer in
 * time or the disk refuses); both are 503.
 */
export interface Store {
  readonly keys: KeyStore;
  readonly exchanges: ExchangeStore;
  readonly usage: UsageStore;
  readonly prices: PriceOverrideStore;
  readonly settings: SettingStore;
  readonly audit: AuditStore;
  /** Organizations, teams, projects, users and what ties them together. */
  readonly places: PlaceStore;
  readonly budgets: BudgetStore;
  readonly rateRules: RuleStore<RateRule>;
  readonly approvals: ApprovalStore;
  /** Budgets, where several processes share them. */
  readonly shared: SharedSpend;
  /** Rate limits, where several processes share them. */
  readonly counts: SharedCounts;
  readonly processes: ProcessRegister;
  /** Attempts to sign in. */
  readonly attempts: AttemptStore;
  readonly turns: TurnStore;
  readonly credentials: CredentialStore;
  readonly keyring: KeyringStore;
  /** What routers learn from. */
  readonly labels: LabelStore;
  /** Finishes what was asked and lets go of the database. Idempotent. */
  close(): Promise<void>;
}

/** A page of a list. `nextCursor` is absent on the last page. */
export interface Page<T> {
  readonly data: readonly T[];
  readonly nextCursor?: string;
}

/** Where to go on reading, and how many at most (1 to 500). An unreadable cursor throws `bad_request`. */
export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** What may change on a key after it was made. A property present with `undefined` clears the field. */
export type KeyChange = {
  readonly [K in Exclude<keyof VirtualKey, 'id' | 'createdAt'>]?: VirtualKey[K] | undefined;
};

/** What a change was decided on; looked at in the same step that makes it. */
export interface KeyExpectation {
  readonly hash?: string;
  /** The sealed secret that waits to be claimed. */
  readonly unclaimed?: string;
}

/** Which keys a list shows; all given facts must hold. */
export interface KeyFilter extends Extent {
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
  readonly serviceAccountId?: string | undefined;
}

/** Virtual keys. */
export interface KeyStore {
  /** Throws `conflict` when the id or the hash exists. */
  insert(key: VirtualKey): Promise<void>;
  /** Newest first; without revoked keys. */
  list(page: PageRequest, filter: KeyFilter): Promise<Page<VirtualKey>>;
  /** Also finds revoked keys. */
  get(id: string): Promise<VirtualKey | undefined>;
  /**
   * The key after the change. Throws `not_found`, or `conflict` when the new hash exists or the key is no longer as
   * expected: somebody else gave it a new secret, or took the waiting one, meanwhile.
   */
  update(id: string, change: KeyChange, expected?: KeyExpectation): Promise<VirtualKey>;
  /**
   * Keys that are not revoked, by id. Blocked and expired ones are included, so that a refusal can name the reason. What
   * several of them say alike may be one object.
   */
  active(slice: KeySlice): Promise<readonly VirtualKey[]>;
}

/** A part of all keys. */
export interface KeySlice {
  /** Ids that begin with this; all when absent. */
  readonly prefix?: string | undefined;
  /** Ids after this one. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Filters of the log; all given ones must hold. */
export interface ExchangeFilter {
  /** What the reader may see; everything when absent. */
  readonly extent?: Extent | undefined;
  readonly teamId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly status?: number | undefined;
  readonly clientRequestId?: string | undefined;
  /** With `value` absent, any exchange that carries the tag. */
  readonly tag?: { readonly name: string; readonly value?: string | undefined } | undefined;
  /** Started at or after. */
  readonly from?: number | undefined;
  /** Started before. */
  readonly to?: number | undefined;
}

/** The log of exchanges. Written only through the ledger. */
export interface ExchangeStore {
  /** Newest first by start. */
  list(filter: ExchangeFilter, page: PageRequest): Promise<Page<ExchangeRecord>>;
  get(id: string): Promise<ExchangeRecord | undefined>;
  /**
   * Deletes the oldest rows that started before `before` or that are over `maxBytes` in all, in small batches; usage
   * totals are not touched. Resolves to the number of rows deleted.
   */
  prune(limits: { readonly before?: number; readonly maxBytes?: number }): Promise<number>;
}

/** What spend can be grouped by; one of `tag:NAME` and `session` at most once in a query. */
export type SpendDimension =
  | 'model'
  | 'provider'
  | 'key'
  | 'user'
  | 'team'
  | 'project'
  | 'organization'
  | 'session'
  | `tag:${string}`;

/** A question about spend over `[from, to)`; both are widened to whole UTC hours, or days where hours are pruned. */
export interface SpendQuery {
  readonly from: number;
  readonly to: number;
  readonly groupBy: readonly SpendDimension[];
  /** What the reader may see, by where keys belonged then; everything when absent. */
  readonly extent?: Extent | undefined;
  /** Absent: one row per group over the whole time. */
  readonly interval?: 'hour' | 'day' | undefined;
  readonly keyId?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly user?: string | undefined;
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
  /** The most rows, 10,000 when absent. */
  readonly limit?: number | undefined;
  /** Whether rows say `latency`. */
  readonly percentiles?: boolean | undefined;
}

/** Sums over exchanges. Exact up to 2^53, the nearest double above (nine million dollars). */
export interface SpendTotals {
  /** Exchanges, refused ones included. */
  readonly requests: number;
  /** Those whose outcome was not `answered`. */
  readonly errors: number;
  readonly costNano: number;
  readonly inputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  /** Sum over exchanges, milliseconds. */
  readonly latencyMs: number;
  /** Those that cost something nobody knows, for want of a price; `costNano` is without them. */
  readonly unpriced: number;
  /** Among the errors: what the gateway refused, and whom the client left before the end. */
  readonly refused: number;
  readonly abandoned: number;
}

/** One row of an answer about spend. */
export interface SpendRow extends SpendTotals {
  /** Start of the interval, absent without one. */
  readonly start?: number;
  /** The row is of a whole day although hours were asked for: they are pruned. */
  readonly wholeDay?: true;
  /** A value per dimension asked for; `null` where exchanges had none. */
  readonly group: Readonly<Record<string, string | null>>;
  /**
   * How long exchanges took, nearest-rank percentiles in milliseconds, off by 2 % at most. Absent unless asked for, with
   * sessions, with users together with anything but organizations, and where sums are older than histograms.
   */
  readonly latency?: { readonly p50: number; readonly p95: number; readonly p99: number };
}

/** Whose spend is summed; all given facts must hold. */
export interface SpendScope {
  readonly keyId?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly user?: string | undefined;
  readonly teamId?: string | undefined;
  readonly projectId?: string | undefined;
  readonly tag?: { readonly name: string; readonly value: string } | undefined;
}

/** Sums, read from hourly rollups and never from the raw log, so they outlive its retention. */
export interface UsageStore {
  /** At most `limit` rows, ordered by start and then by cost, highest first. Throws `bad_request` on two tags. */
  spend(query: SpendQuery): Promise<readonly SpendRow[]>;
  /** Sums by the model asked for and the deployment that answered. */
  byModel(query: ModelUseQuery): Promise<readonly ModelUse[]>;
  /** Sums since the UTC hour `since` lies in. */
  total(scope: SpendScope, since: number): Promise<SpendTotals>;
  /** Cost in nano-dollars of every key that spent since the hour of `since`; fills the budgets at start. */
  totalsByKey(since: number): Promise<ReadonlyMap<string, number>>;
}

/** Which sums by model are wanted. Milliseconds since 1970; whole hours. */
export interface ModelUseQuery {
  readonly from: number;
  readonly to: number;
  /** Absent: of every organization. */
  readonly organizationId?: string;
  /** Hour by hour; else all of it in one. */
  readonly byHour?: boolean;
}

/** What was asked for under a name and answered by a deployment. Nothing that was refused. */
export interface ModelUse {
  /** As asked. */
  readonly model: string;
  /** `provider/upstream model`; undefined where nobody answered, or where it was not yet kept. */
  readonly deployment: string | undefined;
  readonly organizationId: string;
  readonly start: number;
  readonly requests: number;
  readonly tokens: number;
  readonly costNano: number;
}

/** A price set by the operator. It wins over the catalog. */
export interface PriceOverride {
  /** A model name or `provider/model`. */
  readonly model: string;
  readonly price: Price;
  readonly updatedAt: number;
}

/** Price overrides, one per model. */
export interface PriceOverrideStore {
  /** By model name. */
  list(): Promise<readonly PriceOverride[]>;
  put(override: PriceOverride): Promise<void>;
  /** False when there was none. */
  delete(model: string): Promise<boolean>;
}

/** A named value. The caller seals what is secret; the store never looks inside. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly updatedAt: number;
  readonly expiresAt: number | undefined;
}

/** Values by name: config overrides, sessions, markers. Names are paths, for example `session/abc`. */
export interface SettingStore {
  /** Finds expired ones too; the caller has the clock. */
  get(name: string): Promise<Setting | undefined>;
  put(setting: Setting): Promise<void>;
  /** False when there was none. */
  delete(name: string): Promise<boolean>;
  /** Settings whose name begins with `prefix`, by name, at most 10,000; `after` a name, to go on. */
  list(prefix: string, after?: string): Promise<readonly Setting[]>;
  /** Deletes what expired at or before `now`; resolves to how many. */
  deleteExpired(now: number): Promise<number>;
}
