import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { pageOf, pageQuery, time } from '../shapes.ts';

const text = (most: number) => z.string().min(1).max(most);

const entryView = z.strictObject({
  id: z.string(),
  model: z.string(),
  organization_id: z.string().nullable(),
  team_id: z.string().nullable(),
  key_id: z.string().nullable(),
  bytes: z.number(),
  hits: z.number(),
  stored_at: time,
  expires_at: time,
});

const filter = {
  model: text(300).optional(),
  organization_id: text(100).optional(),
  team_id: text(100).optional(),
  key_id: text(100).optional(),
};

/** Answers kept for equal requests. Neither prompts nor answers are shown. */
export const cacheContract = {
  getCacheStats: endpoint({
    method: 'GET',
    path: '/api/cache/stats',
    summary: 'How full the cache of this process is, and how often it answered since the start',
    permission: 'cache:read',
    input: z.strictObject({}),
    output: z.strictObject({
      enabled: z.boolean(),
      entries: z.number(),
      bytes: z.number(),
      max_bytes: z.number(),
      ttl_s: z.number(),
      hits: z.number(),
      misses: z.number(),
      /** Hits among lookups; `null` before the first one. */
      hit_rate: z.number().nullable(),
    }),
  }),
  listCacheEntries: endpoint({
    method: 'GET',
    path: '/api/cache',
    summary: 'Answers that are kept, newest first: facts only, no content',
    permission: 'cache:read',
    input: pageQuery.extend(filter),
    output: pageOf(entryView),
  }),
  clearCache: endpoint({
    method: 'DELETE',
    path: '/api/cache',
    summary: 'Forget kept answers: all of them, or those that match every filter given',
    permission: 'cache:write',
    input: z.strictObject({ id: text(100).optional(), ...filter }),
    output: z.strictObject({ removed: z.number() }),
    audit: 'cache.clear',
  }),
} as const satisfies Record<string, Endpoint>;
