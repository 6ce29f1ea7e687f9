import type { ExchangeRecord } from '../core/cost/exchange.ts';
import { HOUR_MS } from '../core/durations.ts';
import { completionTokens, promptTokens } from '../core/model/index.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import { longestWindow, type PastUse, type RateLimiter } from '../core/policy/rate.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import { type Scope, type ScopeKind, scopeName } from '../core/policy/scope.ts';
import type { ScopeFacts, ScopeIndex } from '../core/policy/scope-index.ts';
import type { PlaceLimits } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { SpendDimension, SpendRow, Store } from '../ports/store.ts';
import type { KeyDirectory } from './key-directory.ts';
import { deploymentOf, type ModelNames } from './spent-before.ts';

const SLOT_MS = 1000;
const PAGE_ROWS = 500;
/** Rows of the log that are read at start; what is older is known by the hour. */
const MAX_ROWS = 20_000;
const NO_FACTS: ScopeFacts = { tags: {}, models: [], endUser: undefined, session: undefined };

export interface RateRestorePorts {
  readonly store: Pick<Store, 'exchanges' | 'usage'>;
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  readonly keys: KeyDirectory;
  readonly rules: ScopeIndex<RateRule>;
  /** Every name that a past request counts under. */
  readonly modelNames: ModelNames;
  /** Another bound than `MAX_ROWS`. */
  readonly maxRows?: number;
}

/** Which limits a request of the past counted against. */
interface Counted {
  readonly id: string;
  readonly limits: PlaceLimits;
}

/** What sums say of an hour. */
interface HourUse {
  readonly start: number;
  readonly requests: number;
  readonly tokens: number;
}

function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}

function mapAt(maps: Map<number, Map<string, Use>>, hour: number): Map<string, Use> {
  const found = maps.get(hour) ?? new Map<string, Use>();
  maps.set(hour, found);
  return found;
}

/** Requests that were refused before they counted, or that were never let in. */
function wasCounted({ outcome, error }: ExchangeRecord): boolean {
  return outcome !== 'refused' || error === 'budget_exceeded';
}

/** Use of one account. */
interface Use {
  readonly limits: PlaceLimits;
  requests: number;
  tokens: number;
}

function addTo(
  uses: Map<string, Use>,
  { id, limits }: Counted,
  use: Pick<PastUse, 'requests' | 'tokens'>,
): void {
  const known = uses.get(id) ?? { limits, requests: 0, tokens: 0 };
  known.requests += use.requests;
  known.tokens += use.tokens;
  uses.set(id, known);
}

class Restorer {
  readonly #ports: RateRestorePorts;
  readonly #now: number;
  /** By hour: what was counted row by row. */
  readonly #read = new Map<number, Map<string, Use>>();
  /** By hour: what sums say. */
  readonly #summed = new Map<number, Map<string, Use>>();
  readonly #scopes = new Map<string, readonly Scope[]>();
  readonly #uses = new Map<string, { readonly limits: PlaceLimits; readonly slots: Map<number, PastUse> }>();

  constructor(ports: RateRestorePorts, now: number) {
    this.#ports = ports;
    this.#now = now;
  }

  takeRecord(record: ExchangeRecord): void {
    if (!wasCounted(record)) return;
    const facts = {
      tags: record.tags,
      models: this.#ports.modelNames(record.model, deploymentOf(record)),
      endUser: record.user,
      session: record.session,
    };
    const tokens = promptTokens(record.usage) + completionTokens(record.usage);
    const use = { ageMs: this.#now - record.startedAt, requests: 1, tokens };
    const counted = this.#limitsOn(record.keyId, facts);
    this.#count(counted, use);
    const ofHour = mapAt(this.#read, hourOf(record.startedAt));
    for (const one of counted) addTo(ofHour, one, use);
  }

  /** A key's sum of an hour: what its places and rules on them have counted. */
  takeSum(keyId: string | undefined, sum: HourUse): void {
    const ofHour = mapAt(this.#summed, sum.start);
    for (const one of this.#limitsOn(keyId, NO_FACTS)) addTo(ofHour, one, sum);
  }

  /** A sum of an hour by what only requests say: rules on that kind have counted it. */
  takeSaid(kind: ScopeKind, said: HourUse & { facts: ScopeFacts; organizationId: string | null }): void {
    const { facts, organizationId } = said;
    const places = [{ kind: 'organization', id: organizationId ?? DEFAULT_ORGANIZATION_ID } as const];
    const ofHour = mapAt(this.#summed, said.start);
    for (const { account, rule } of this.#ports.rules.find(places, facts)) {
      if (rule.scope.kind === kind) addTo(ofHour, { id: account, limits: rule.limits }, said);
    }
  }

  /** `oldest`: when the last row that was read began. What sums know besides was over by then, or by the end of its hour. */
  finish(oldest: number): void {
    const { limiter, clock } = this.#ports;
    for (const [hour, sums] of this.#summed) {
      const ageMs = Math.max(0, this.#now - Math.min(hour + HOUR_MS - 1, oldest));
      for (const [id, { limits, requests, tokens }] of sums) {
        const read = this.#read.get(hour)?.get(id);
        const rest = { requests: requests - (read?.requests ?? 0), tokens: tokens - (read?.tokens ?? 0) };
        if (rest.requests <= 0 && rest.tokens <= 0) continue;
        this.#count([{ id, limits }], {
          ageMs,
          requests: Math.max(0, rest.requests),
          tokens: Math.max(0, rest.tokens),
        });
      }
    }
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

/** Dimensions of the sums in which rules on what a request says are known. */
function* dimensionsOf(rules: Iterable<RateRule>): Generator<readonly [ScopeKind, SpendDimension]> {
  const seen = new Set<string>();
  for (const { scope } of rules) {
    const { kind, id } = scope;
    const dimension: SpendDimension | undefined =
      kind === 'end_user'
        ? 'user'
        : kind === 'session'
          ? 'session'
          : kind === 'tag'
            ? `tag:${id.slice(0, Math.max(0, id.indexOf('=')))}`
            : undefined;
    if (dimension === undefined || seen.has(dimension)) continue;
    seen.add(dimension);
    yield [kind, dimension];
  }
}

function factsOf(kind: ScopeKind, dimension: SpendDimension, value: string): ScopeFacts {
  if (kind === 'end_user') return { ...NO_FACTS, endUser: value };
  if (kind === 'session') return { ...NO_FACTS, session: value };
  return { ...NO_FACTS, tags: { [dimension.slice('tag:'.length)]: value } };
}

function useOf(row: SpendRow, from: number): HourUse {
  const {
    start = from,
    requests,
    refused,
    inputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens,
  } = row;
  // Whoever knocks at a full limit does not fill it further.
  return {
    start,
    requests: requests - refused,
    tokens: inputTokens + cacheReadTokens + cacheWriteTokens + outputTokens,
  };
}

/** What is older than the rows that could be read: from sums by the hour, in every dimension that some rule asks for. */
async function restoreSums(
  { store, modelNames }: RateRestorePorts,
  restorer: Restorer,
  span: { readonly from: number; readonly to: number; readonly rules: readonly RateRule[] },
): Promise<void> {
  const { from, to, rules } = span;
  const asked = { from, to, interval: 'hour', limit: Number.MAX_SAFE_INTEGER } as const;
  for (const row of await store.usage.spend({ ...asked, groupBy: ['key'] })) {
    restorer.takeSum(row.group['key'] ?? undefined, useOf(row, from));
  }
  for (const [kind, dimension] of dimensionsOf(rules)) {
    for (const row of await store.usage.spend({ ...asked, groupBy: [dimension, 'organization'] })) {
      const value = row.group[dimension];
      if (value === null || value === undefined) continue;
      const facts = factsOf(kind, dimension, value);
      const organizationId = row.group['organization'] ?? null;
      restorer.takeSaid(kind, { ...useOf(row, from), facts, organizationId });
    }
  }
  if (!rules.some(({ scope }) => scope.kind === 'model')) return;
  for (const row of await store.usage.byModel({ from, to, byHour: true })) {
    const facts = { ...NO_FACTS, models: modelNames(row.model, row.deployment) };
    restorer.takeSaid('model', { ...row, facts });
  }
}

/**
 * Counts again what earlier processes let through in the windows that are still open: from the log, newest first, and
 * from hourly sums where that is longer than can be read at start. Nothing is read while there is no limit. Money is not
 * counted here: what budgets have spent stands in rows of their own, all of which are read.
 */
export async function restoreRates(ports: RateRestorePorts, allRules: Iterable<RateRule>): Promise<void> {
  const rules = [...allRules];
  const windowMs = windowOf(ports, rules);
  if (windowMs === 0) return;
  const { store, clock, maxRows = MAX_ROWS } = ports;
  const now = clock.now();
  const from = now - windowMs;
  const restorer = new Restorer(ports, now);
  let rows = 0;
  let oldest = now;
  let cursor: string | undefined;
  do {
    const page = await store.exchanges.list({ from }, { limit: Math.min(PAGE_ROWS, maxRows), cursor });
    for (const record of page.data) restorer.takeRecord(record);
    rows += page.data.length;
    oldest = page.data.at(-1)?.startedAt ?? oldest;
    cursor = page.nextCursor;
  } while (cursor !== undefined && rows < maxRows);
  if (cursor !== undefined) {
    await restoreSums(ports, restorer, { from, to: hourOf(oldest) + HOUR_MS, rules });
  }
  restorer.finish(oldest);
}
