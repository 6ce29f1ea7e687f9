import { z } from 'zod';
import { SCOPE_KINDS } from '../../core/policy/scope.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { idParam, nameText, pageOf, pageQuery, time, usd } from '../shapes.ts';

const done = z.strictObject({ ok: z.literal(true) });
const amount = z.union([z.number().nonnegative().max(9e6), z.string().max(30)]);
const window = z.enum(['hour', 'day', 'week', 'month', 'total']);
const action = z.enum(['block', 'warn', 'downgrade', 'approve']);
const thresholds = z.array(z.number().positive().max(1000)).max(20);

const scope = z.enum(SCOPE_KINDS);
const scopeId = z.string().min(1).max(256);

const settings = {
  name: nameText(128).optional(),
  limit_usd: amount,
  window: window.default('month'),
  rolling: z
    .boolean()
    .default(false)
    .meta({ description: 'The last 60 minutes, 24 hours, 7 or 30 days instead of the calendar’s' }),
  time_zone: z
    .string()
    .max(64)
    .optional()
    .meta({ description: 'IANA name whose clocks calendar windows follow; default UTC' }),
  thresholds: thresholds
    .optional()
    .meta({ description: 'Percentages at which spend is told of, once per window; default 80 and 100' }),
  action: action.default('block'),
  downgrade_to: z.string().min(1).max(256).nullable().optional(),
  hard: z
    .boolean()
    .default(false)
    .meta({ description: 'Never passed: streams are cut at what was set aside' }),
};

const raiseView = z.strictObject({
  id: z.string(),
  amount_usd: usd,
  expires_at: time,
  reason: z.string().nullable(),
});

export const budgetView = z.strictObject({
  id: z.string(),
  name: z.string(),
  scope,
  scope_id: z.string(),
  organization_id: z.string().nullable(),
  /** With the raises that hold now. */
  limit_usd: usd,
  base_limit_usd: usd,
  settled_usd: usd,
  held_usd: usd,
  remaining_usd: usd,
  window,
  rolling: z.boolean(),
  time_zone: z.string(),
  window_start: time,
  window_end: time.nullable(),
  action,
  downgrade_to: z.string().nullable(),
  problem: z
    .string()
    .nullable()
    .meta({ description: 'What keeps it from acting as it says: its cheaper model is gone' }),
  hard: z.boolean(),
  thresholds: z.array(z.number()),
  raises: z.array(raiseView),
  source: z.enum(['api', 'file', 'key']),
  created_at: time,
});

/** Budgets of any scope. */
export const budgetContract = {
  createBudget: endpoint({
    method: 'POST',
    path: '/api/budgets',
    summary: 'Limit what a scope may spend; several budgets may hold for one request',
    permission: 'budgets:write',
    input: z.strictObject({
      scope,
      scope_id: scopeId,
      organization_id: z.string().max(100).optional(),
      ...settings,
    }),
    output: budgetView,
    audit: 'budgets.create',
  }),
  listBudgets: endpoint({
    method: 'GET',
    path: '/api/budgets',
    summary: 'Budgets with what is spent and held, newest first; those of keys included',
    permission: 'budgets:read',
    input: pageQuery.extend({ scope: scope.optional(), scope_id: scopeId.optional() }),
    output: pageOf(budgetView),
  }),
  getBudget: endpoint({
    method: 'GET',
    path: '/api/budgets/:id',
    summary: 'One budget with what is spent and held in its window',
    permission: 'budgets:read',
    input: idParam,
    output: budgetView,
  }),
  updateBudget: endpoint({
    method: 'PATCH',
    path: '/api/budgets/:id',
    summary: 'Change a budget; fields not sent stay',
    permission: 'budgets:write',
    input: z
      .strictObject({
        ...settings,
        window: window,
        rolling: z.boolean(),
        action,
        hard: z.boolean(),
        time_zone: z.string().max(64).nullable(),
      })
      .partial()
      .extend(idParam.shape),
    output: budgetView,
    audit: 'budgets.update',
  }),
  deleteBudget: endpoint({
    method: 'DELETE',
    path: '/api/budgets/:id',
    summary: 'Take a budget away; what it has spent stays in the log',
    permission: 'budgets:write',
    input: idParam,
    output: done,
    audit: 'budgets.delete',
  }),
  raiseBudget: endpoint({
    method: 'POST',
    path: '/api/budgets/:id/raises',
    summary: 'More money until `expires_at`; from who may not give it, a question to who may',
    permission: 'budgets:read',
    input: idParam.extend({
      amount_usd: amount,
      expires_at: time,
      reason: z.string().max(500).optional(),
      request: z
        .boolean()
        .default(false)
        .meta({ description: 'Ask for an approval even if you could raise it' }),
    }),
    output: z.strictObject({ budget: budgetView, approval_id: z.string().nullable() }),
    audit: 'budgets.raise',
  }),
} as const satisfies Record<string, Endpoint>;
