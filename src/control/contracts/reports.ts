import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { time, usd } from '../shapes.ts';
import { usageQuery } from './usage-shapes.ts';

const sums = {
  requests: z.number(),
  unpriced_requests: z.number(),
  input_tokens: z.number(),
  cache_read_tokens: z.number(),
  cache_write_tokens: z.number(),
  output_tokens: z.number(),
  cost_usd: usd,
};

const WRITE_MONTH = 'Write a month as `2026-11`';
const month = z.string({ error: WRITE_MONTH }).regex(/^2\d{3}-(0[1-9]|1[0-2])$/, WRITE_MONTH);

/** Spend as tables and reports. */
export const reportContract = {
  exportUsage: endpoint({
    method: 'GET',
    path: '/api/usage/export',
    summary: 'Spend as a CSV table, or in the columns of FOCUS 1.0',
    permission: 'usage:read',
    own: 'own:read',
    input: usageQuery.extend({
      format: z
        .enum(['csv', 'focus'])
        .default('csv')
        .meta({ description: '`focus` has its own grouping and does not take `group_by`' }),
    }),
    output: z.string(),
    answer: 'csv',
  }),
  getChargeback: endpoint({
    method: 'GET',
    path: '/api/reports/chargeback',
    summary: 'What every team spent in a month, by model',
    permission: 'usage:read',
    own: 'own:read',
    input: z.strictObject({
      month: month.meta({ description: 'For example 2026-11; begins and ends at midnight UTC' }),
      organization_id: z.string().max(100).optional(),
    }),
    output: z.strictObject({
      month,
      from: time,
      to: time,
      total: z.strictObject(sums),
      data: z.array(
        z.strictObject({
          organization_id: z.string().nullable(),
          organization: z.string().nullable(),
          team_id: z.string().nullable().meta({ description: '`null` for keys of no team' }),
          team: z.string().nullable(),
          ...sums,
          models: z.array(
            z.strictObject({ model: z.string().nullable(), provider: z.string().nullable(), ...sums }),
          ),
        }),
      ),
    }),
  }),
} as const satisfies Record<string, Endpoint>;
