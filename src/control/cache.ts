import type { AnswerCache, KeptAnswer } from '../core/cache/answer-cache.ts';
import { badRequest } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import { type Handlers, toTime } from './caller.ts';

/** What the handlers work with. */
export interface CachePorts {
  readonly cache: AnswerCache;
  readonly clock: Clock;
  /** What the live configuration says about it. */
  readonly settings: () => { readonly enabled: boolean; readonly maxBytes: number; readonly ttlS: number };
}

type Filter = {
  readonly [K in 'id' | 'model' | 'organization_id' | 'team_id' | 'key_id']?: string | undefined;
};

function matches({ key, facts }: KeptAnswer, filter: Filter): boolean {
  const found = {
    id: key,
    model: facts.model,
    organization_id: facts.organizationId,
    team_id: facts.teamId,
    key_id: facts.keyId,
  };
  return Object.entries(found).every(([name, value]) => {
    const wanted = filter[name as keyof Filter];
    return wanted === undefined || wanted === value;
  });
}

/** Entries in the order of their storing, newest first; a cursor is the number of the last one shown. */
function pageOf(all: readonly KeptAnswer[], page: { limit: number; cursor?: string | undefined }) {
  const before = page.cursor === undefined ? Number.POSITIVE_INFINITY : Number(page.cursor);
  if (Number.isNaN(before)) throw badRequest('cursor', 'This `cursor` is none that a list gave out.');
  const rest = all.filter(({ number }) => number < before).sort((a, b) => b.number - a.number);
  const shown = rest.slice(0, page.limit);
  const last = shown.at(-1);
  return { shown, next: rest.length > shown.length && last !== undefined ? String(last.number) : null };
}

/** Statistics, list and clearing of the exact cache of this process. */
export function createCacheHandlers(
  ports: CachePorts,
): Pick<Handlers, 'getCacheStats' | 'listCacheEntries' | 'clearCache'> {
  const { cache, clock } = ports;
  /** The cache keeps monotonic times. */
  const wall = (at: number) => toTime(clock.now() + (at - clock.monotonic()));
  return {
    async getCacheStats() {
      const { hits, misses } = cache;
      const { enabled, maxBytes, ttlS } = ports.settings();
      const asked = hits + misses;
      return {
        enabled,
        entries: cache.size,
        bytes: cache.bytes,
        max_bytes: maxBytes,
        ttl_s: ttlS,
        hits,
        misses,
        hit_rate: asked === 0 ? null : hits / asked,
      };
    },
    async listCacheEntries({ limit, cursor, ...filter }) {
      const alive = cache.entries(clock.monotonic()).filter((entry) => matches(entry, filter));
      const { shown, next } = pageOf(alive, { limit, cursor });
      const data = shown.map((entry) => ({
        id: entry.key,
        model: entry.facts.model ?? '',
        organization_id: entry.facts.organizationId ?? null,
        team_id: entry.facts.teamId ?? null,
        key_id: entry.facts.keyId ?? null,
        bytes: entry.bytes,
        hits: entry.hits,
        stored_at: wall(entry.storedAt),
        expires_at: wall(entry.expiresAt),
      }));
      return { data, next_cursor: next };
    },
    async clearCache(filter) {
      return { removed: cache.clear((entry) => matches(entry, filter)) };
    },
  };
}
