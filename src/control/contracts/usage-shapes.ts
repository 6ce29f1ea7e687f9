import { z } from 'zod';
import { time, usd } from '../shapes.ts';

/** What is asked about spend. */
export const usageQuery = z.strictObject({
  organization_id: z.string().max(100).optional(),
  from: time.optional().meta({ description: 'Default: 30 days ago' }),
  to: time.optional().meta({ description: 'Default: now' }),
  group_by: z.string().max(200).optional().meta({
    description:
      'Comma-separated: model, provider, key, user, team, project, organization, and one of session and tag:NAME',
  }),
  interval: z.enum(['hour', 'day']).optional(),
  key_id: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Only what this key used; all filters must hold' }),
  team_id: z.string().max(100).optional(),
  project_id: z.string().max(100).optional(),
  model: z.string().max(300).optional(),
  provider: z.string().max(100).optional(),
  user: z.string().max(300).optional(),
});

/** Spend by group and interval. */
export const usageAnswer = z.strictObject({
  from: time,
  to: time,
  truncated: z.boolean().meta({ description: 'There is more than the 10,000 rows shown' }),
  names: z
    .record(z.string(), z.record(z.string(), z.string()))
    .meta({ description: 'What keys, teams, projects and organizations are called, by dimension and id' }),
  data: z.array(
    z.strictObject({
      start: time.nullable(),
      group: z.record(z.string(), z.string().nullable()),
      requests: z.number(),
      errors: z.number().meta({ description: 'Requests that were not answered: the three below' }),
      failed_requests: z.number().meta({ description: 'A provider or the gateway failed' }),
      refused_requests: z
        .number()
        .meta({ description: 'The gateway refused them: key, limit, budget, policy' }),
      abandoned_requests: z.number().meta({ description: 'The client left before the end' }),
      cost_usd: usd,
      unpriced_requests: z
        .number()
        .meta({ description: 'Requests that cost something nobody knows; cost_usd is without them' }),
      input_tokens: z.number(),
      cache_read_tokens: z.number(),
      cache_write_tokens: z.number(),
      output_tokens: z.number(),
      average_latency_ms: z.number(),
      latency_ms: z.strictObject({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable().meta({
        description:
          'Percentiles from histograms, off by 2 % at most. `null` for sessions, and for users together with anything but organizations',
      }),
    }),
  ),
});
