import type { ExchangeRecord } from '../core/cost/exchange.ts';
import { completionTokens, promptTokens } from '../core/model/index.ts';
import { longestWindow, type PastUse, type RateLimiter } from '../core/policy/rate.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import { type Scope, scopeName } from '../core/policy/scope.ts';
import type { ScopeIndex } from '../core/policy/scope-index.ts';
import type { PlaceLimits } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import type { KeyDirectory } from './key-directory.ts';

const HOUR_MS = 3_600_000;
const SLOT_MS = 1000;
const PAGE_ROWS = 500;
/** Rows of the log that are read at start; what is older is known by key and hour. */
const MAX_ROWS = 20_000;

export interface RateRestorePorts {
  readonly store: Pick<Store, 'exchanges' | 'usage'>;
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  readonly keys: KeyDirectory;
  readonly rules: ScopeIndex<RateRule>;
}

/** Which limits a request of the past counted against. */
interface Counted {
  readonly id: string;
  readonly limits: PlaceLimits;
}

/** Requests that were refused before they counted, or that were never let in. */
function wasCounted({ outcome, error }: ExchangeRecord): boolean {
  return outcome !== 'refused' || error === 'budget_exceeded';
}

class Restorer {
  readonly #ports: RateRestorePorts;
  readonly #now: number;
  readonly #scopes = new Map<string, readonly Scope[]>();
  readonly #uses = new Map<string, { readonly limits: PlaceLimits; readonly slots: Map<number, PastUse> }>();

  constructor(ports: RateRestorePorts, now: number) {
    this.#ports = ports;
    this.#now = now;
  }

  takeRecord(record: ExchangeRecord): void {
    if (!wasCounted(record)) return;
    const { provider, upstreamModel, model } = record;
    const upstream = upstreamModel === undefined ? [] : [upstreamModel, `${provider}/${upstreamModel}`];
    const facts = {
      tags: record.tags,
      models: [model, ...upstream],
      endUser: record.user,
      session: record.session,
    };
    const tokens = promptTokens(record.usage) + completionTokens(record.usage);
    this.#count(this.#limitsOn(record.keyId, facts), {
      ageMs: this.#now - record.startedAt,
      requests: 1,
      tokens,
    });
  }

  /** A key's sums: rules on what only a request says are not known by them. */
  takeSum(keyId: string | undefined, use: PastUse): void {
    const facts = { tags: {}, models: [], endUser: undefined, session: undefined };
    this.#count(this.#limitsOn(keyId, facts), use);
  }

  finish(): void {
    const { limiter, clock } = this.#ports;
    for (const [id, { limits, slots }] of this.#uses) {
      limiter.restore(id, limits, slots.values(), clock.monotonic());
    }
  }

  /** What a request of this key counted against: its places' limits, and the rules that apply. */
  #limitsOn(keyId: string | undefined, facts: Parameters<ScopeIndex<RateRule>['find']>[1]): Counted[] {
    const { rules } = this.#ports;
    const scopes = this.#scopesOf(keyId);
    const applied = rules.size === 0 ? [] : rules.find(scopes, facts);
    const ofRules = applied.map(({ account, rule }) => ({ id: account, limits: rule.limits }));
    return [...this.#ofPlaces(keyId, scopes), ...ofRules];
  }

  #scopesOf(keyId: string | undefined): readonly Scope[] {
    const { keys } = this.#ports;
    const known = this.#scopes.get(keyId ?? '');
    if (known !== undefined) return known;
    const key = keyId === undefined ? undefined : keys.get(keyId);
    const own = keyId === undefined ? keys.snapshot().keyless.scopes : [];
    const scopes = key === undefined ? own : keys.entryOf(key).scopes;
    this.#scopes.set(keyId ?? '', scopes);
    return scopes;
  }

  #ofPlaces(keyId: string | undefined, scopes: readonly Scope[]): Counted[] {
    const { keys } = this.#ports;
    return scopes.flatMap((scope) => {
      const id = scopeName(scope);
      const ofKey = scope.kind === 'key' && keyId !== undefined ? keys.get(keyId)?.limits : undefined;
      const limits = scope.kind === 'key' ? ofKey : keys.snapshot().limitsOf(id);
      return limits === undefined ? [] : [{ id, limits }];
    });
  }

  #count(counted: readonly Counted[], use: PastUse): void {
    const slot = Math.floor(use.ageMs / SLOT_MS);
    for (const { id, limits } of counted) {
      let known = this.#uses.get(id);
      if (known === undefined) {
        known = { limits, slots: new Map() };
        this.#uses.set(id, known);
      }
      const before = known.slots.get(slot);
      known.slots.set(slot, {
        // Rounded down: it leaves the window too late rather than too early.
        ageMs: slot * SLOT_MS,
        requests: (before?.requests ?? 0) + use.requests,
        tokens: (before?.tokens ?? 0) + use.tokens,
      });
    }
  }
}

function windowOf({ keys, rules }: RateRestorePorts, allRules: Iterable<RateRule>): number {
  let longest = 0;
  const look = (limits: PlaceLimits | undefined): void => {
    if (limits !== undefined) longest = Math.max(longest, longestWindow(limits));
  };
  if (rules.size > 0) for (const { limits } of allRules) look(limits);
  const snapshot = keys.snapshot();
  const lookAt = (kind: Scope['kind'], id: string | undefined): void => {
    if (id !== undefined) look(snapshot.limitsOf(scopeName({ kind, id })));
  };
  for (const { kind, id } of snapshot.keyless.scopes) lookAt(kind, id);
  for (const { limits, organizationId, teamId, projectId, userId, serviceAccountId } of keys.keys()) {
    look(limits);
    lookAt('organization', organizationId);
    lookAt('team', teamId);
    lookAt('project', projectId);
    lookAt('user', userId ?? serviceAccountId);
  }
  return longest;
}

/**
 * Counts again what earlier processes let through in the windows that are still open: from the log, newest first, and
 * from hourly sums by key where that is longer than can be read at start. Nothing is read while there is no limit.
 */
export async function restoreRates(ports: RateRestorePorts, allRules: Iterable<RateRule>): Promise<void> {
  const windowMs = windowOf(ports, allRules);
  if (windowMs === 0) return;
  const { store, clock } = ports;
  const now = clock.now();
  const from = now - windowMs;
  const restorer = new Restorer(ports, now);
  let rows = 0;
  let oldest = now;
  let cursor: string | undefined;
  do {
    const page = await store.exchanges.list({ from }, { limit: PAGE_ROWS, cursor });
    for (const record of page.data) restorer.takeRecord(record);
    rows += page.data.length;
    oldest = page.data.at(-1)?.startedAt ?? oldest;
    cursor = page.nextCursor;
  } while (cursor !== undefined && rows < MAX_ROWS);
  const hour = Math.floor(oldest / HOUR_MS) * HOUR_MS;
  if (cursor !== undefined && from < hour) {
    const sums = await store.usage.spend({ from, to: hour, groupBy: ['key'], interval: 'hour' });
    for (const sum of sums) {
      const { start = from, requests, group } = sum;
      const { inputTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = sum;
      restorer.takeSum(group['key'] ?? undefined, {
        ageMs: Math.max(0, now - (start + HOUR_MS - 1)),
        requests,
        tokens: inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens,
      });
    }
  }
  restorer.finish();
}
