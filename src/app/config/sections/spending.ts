import { z } from 'zod';
import { count, dollars, milliseconds, modelReference, text } from './scalars.ts';

const scope = z
  .enum(['organization', 'team', 'project', 'user', 'key', 'tag', 'model', 'end_user', 'session'])
  .describe('What it limits.');
const scopeId = text(
  'Which one: an id, a key’s name, a tag as `name=value`, a model; `*` stands for each one for itself.',
  256,
);

/** Budgets declared in the file, for any scope. */
export const budgets = z
  .array(
    z
      .strictObject({
        name: text('Its name.', 128),
        scope,
        scope_id: scopeId,
        limit_usd: dollars('What may be spent in the window.'),
        window: z
          .enum(['hour', 'day', 'week', 'month', 'total'])
          .default('month')
          .describe('When it starts anew.'),
        rolling: z
          .boolean()
          .default(false)
          .describe('The last 60 minutes, 24 hours, 7 or 30 days instead of the calendar’s.'),
        time_zone: text(
          'Whose clocks calendar windows follow, an IANA name; UTC when absent.',
          64,
        ).optional(),
        thresholds: z
          .array(z.number().positive().max(1000).describe('Percent of the limit.'))
          .max(20)
          .default([80, 100])
          .describe('When spend is told of, once per window.'),
        action: z
          .enum(['block', 'warn', 'downgrade', 'approve'])
          .default('block')
          .describe(
            'What happens at the limit: refuse, only warn, use a cheaper model, or wait for an approval.',
          ),
        downgrade_to: modelReference('The cheaper model with `action: downgrade`.').optional(),
        hard: z
          .boolean()
          .default(false)
          .describe(
            'Never passed: streams are cut at what was set aside, and the cheaper model must fit too.',
          ),
      })
      .describe('A budget.'),
  )
  .max(10_000)
  .prefault([])
  .describe('Budgets kept in the file.');

const tokens = (about: string) => count(about, { max: 1_000_000_000_000 });

/** Rate limits declared in the file, for any scope. */
export const rateLimits = z
  .array(
    z
      .strictObject({
        name: text('Its name.', 128),
        scope,
        scope_id: scopeId,
        rpm: count('Requests per minute.').optional(),
        rph: count('Requests per hour.').optional(),
        rpd: count('Requests per day.').optional(),
        tpm: tokens('Tokens per minute.').optional(),
        tph: tokens('Tokens per hour.').optional(),
        tpd: tokens('Tokens per day.').optional(),
        concurrency: count('Requests at once.').optional(),
        on_limit: z
          .enum(['refuse', 'queue'])
          .default('refuse')
          .describe('What is over the limit is refused with 429, or waits for its turn.'),
        max_wait_ms: milliseconds('Longest wait with `on_limit: queue`.', { max: 600_000 }).default(10_000),
        max_waiting: count('Requests that may wait at once.', { max: 10_000 }).default(100),
      })
      .describe('A rate limit.'),
  )
  .max(10_000)
  .prefault([])
  .describe('Rate limits kept in the file, beside those of keys and teams.');
