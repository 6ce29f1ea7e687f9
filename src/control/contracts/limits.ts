import { z } from 'zod';
import { SCOPE_KINDS } from '../../core/policy/scope.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { idParam, nameText, pageOf, pageQuery, time } from '../shapes.ts';

const done = z.strictObject({ ok: z.literal(true) });
const scope = z.enum(SCOPE_KINDS);
const scopeId = z.string().min(1).max(256);
const most = (limit: number) => z.number().int().positive().max(limit);

/** The limits themselves; one at least. */
const limits = z
  .strictObject({
    rpm: most(1e9).optional(),
    rph: most(1e9).optional(),
    rpd: most(1e9).optional(),
    tpm: most(1e12).optional(),
    tph: most(1e12).optional(),
    tpd: most(1e12).optional(),
    concurrency: most(1e6).optional(),
  })
  .refine((given) => Object.values(given).some((value) => value !== undefined), 'set at least one limit');

const settings = {
  name: nameText(128).optional(),
  limits,
  on_limit: z.enum(['refuse', 'queue']).default('refuse'),
  max_wait_ms: z.number().int().min(1).max(600_000).default(10_000),
  max_waiting: z.number().int().min(1).max(10_000).default(100),
};

const limitView = z.strictObject({
  id: z.string(),
  name: z.string(),
  scope,
  scope_id: z.string(),
  organization_id: z.string().nullable(),
  limits,
  on_limit: z.enum(['refuse', 'queue']),
  max_wait_ms: z.number(),
  max_waiting: z.number(),
  in_flight: z.number(),
  source: z.enum(['api', 'file']),
  created_at: time,
});

/** Rate limits of any scope. */
export const limitContract = {
  createLimit: endpoint({
    method: 'POST',
    path: '/api/limits',
    summary: 'Limit requests, tokens and concurrency of a scope; what is over it is refused or waits',
    permission: 'limits:write',
    input: z.strictObject({
      scope,
      scope_id: scopeId,
      organization_id: z.string().max(100).optional(),
      ...settings,
    }),
    output: limitView,
    audit: 'limits.create',
  }),
  listLimits: endpoint({
    method: 'GET',
    path: '/api/limits',
    summary: 'Rate limits of scopes, newest first',
    permission: 'limits:read',
    input: pageQuery.extend({ scope: scope.optional(), scope_id: scopeId.optional() }),
    output: pageOf(limitView),
  }),
  getLimit: endpoint({
    method: 'GET',
    path: '/api/limits/:id',
    summary: 'One rate limit',
    permission: 'limits:read',
    input: idParam,
    output: limitView,
  }),
  updateLimit: endpoint({
    method: 'PATCH',
    path: '/api/limits/:id',
    summary: 'Change a rate limit; fields not sent stay, `limits` is replaced as a whole',
    permission: 'limits:write',
    input: z
      .strictObject({
        name: settings.name,
        limits,
        on_limit: z.enum(['refuse', 'queue']),
        max_wait_ms: z.number().int().min(1).max(600_000),
        max_waiting: z.number().int().min(1).max(10_000),
      })
      .partial()
      .extend(idParam.shape),
    output: limitView,
    audit: 'limits.update',
  }),
  deleteLimit: endpoint({
    method: 'DELETE',
    path: '/api/limits/:id',
    summary: 'Take a rate limit away',
    permission: 'limits:write',
    input: idParam,
    output: done,
    audit: 'limits.delete',
  }),
} as const satisfies Record<string, Endpoint>;
