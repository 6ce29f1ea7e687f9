import type { RouteLabel } from '../core/routing/promise/label.ts';
import type { PromiseState } from '../core/routing/promise/route-promise.ts';

/** How a shadow run ended. */
export type ShadowStatus = 'judged' | 'copy_failed' | 'judge_failed' | 'no_verdict';

/** A copy of a request that went to a weaker model, and what the judge said. Money is nano-dollars. */
export interface ShadowRun {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly router: string;
  readonly routeKey: string;
  readonly exchangeId: string;
  readonly weak: string;
  readonly strong: string;
  readonly status: ShadowStatus;
  readonly copyNano: number;
  readonly judgeNano: number;
  /** Tokens, where both were reported. */
  readonly weakOutput?: number;
  readonly strongOutput?: number;
}

/** What a route learned, by version. */
export interface RouteVersion {
  readonly router: string;
  readonly routeKey: string;
  readonly version: number;
  readonly state: PromiseState;
  /** What the route's own prompt model learned; absent while the shipped one scores. */
  readonly learned?: Uint8Array | undefined;
}

/** Which labels are read; all given facts must hold. */
export interface LabelFilter {
  readonly router?: string | undefined;
  readonly routeKey?: string | undefined;
  readonly exchangeId?: string | undefined;
  /** At or after, milliseconds since 1970. */
  readonly since?: number | undefined;
}

/** What routers learn from and what they have learned. */
export interface LabelStore {
  /** One label per exchange and source: a later one takes the place of the earlier. */
  put(labels: readonly RouteLabel[]): Promise<void>;
  /** Newest first, at most `limit` (10,000 at most). */
  list(filter: LabelFilter, limit: number): Promise<readonly RouteLabel[]>;
  addRun(run: ShadowRun): Promise<void>;
  /** Newest first, at most 10,000. */
  runs(router: string, since: number): Promise<readonly ShadowRun[]>;
  /** What shadow runs of a router cost since then, nano-dollars. */
  spent(router: string, since: number): Promise<number>;
  addVersion(version: RouteVersion): Promise<void>;
  /** Newest first, without what was learned. */
  versions(router: string, limit: number): Promise<readonly RouteVersion[]>;
  /** The newest version of every route, complete. */
  newest(): Promise<readonly RouteVersion[]>;
  version(router: string, routeKey: string, version: number): Promise<RouteVersion | undefined>;
  /** Deletes labels and runs from before; versions stay, ten a route. Resolves to how many went. */
  prune(before: number): Promise<number>;
}
