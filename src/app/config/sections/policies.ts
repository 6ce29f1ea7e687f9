import { z } from 'zod';
import { onClientAbort, singleFlight } from './failover.ts';
import {
  count,
  dollars,
  headerMap,
  metadata,
  milliseconds,
  modelReference,
  providerReference,
  seconds,
  secret,
  text,
} from './scalars.ts';

/** Answers kept for repeated questions. */
export const cache = z
  .strictObject({
    exact: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Answer an equal request from memory.'),
        ttl_s: seconds('How long an answer is kept.').default(3600),
        max_mb: count('Size of the cache; the least used answers go first. Megabytes.', {
          max: 65_536,
        }).default(256),
        max_entry_kb: count('Largest answer kept. Kilobytes.', { max: 1_048_576 }).default(1024),
        only_deterministic: z
          .boolean()
          .default(true)
          .describe('Only requests with `temperature: 0` or a seed.'),
        scope: z
          .enum(['key', 'team', 'organization'])
          .default('team')
          .describe('Who shares answers. Never wider than an organization.'),
      })
      .prefault({})
      .describe('Equal requests.'),
    single_flight: singleFlight,
    semantic: z
      .strictObject({
        mode: z
          .enum(['off', 'observe', 'on'])
          .default('off')
          .describe('`observe` logs what it would have answered and serves the model’s answer.'),
        threshold: z.number().min(0).max(1).default(0.95).describe('Least similarity (cosine), 0 to 1.'),
        ttl_s: seconds('How long an answer is kept.').default(3600),
        max_entries: count('Answers kept per tenant.', { max: 10_000_000 }).default(50_000),
        embedder: z
          .strictObject({
            provider: providerReference('A name under `providers`, or a vendor.'),
            model: modelReference('Its embedding model.'),
          })
          .optional()
          .describe('What turns a prompt into a vector; needed unless `mode` is `off`.'),
      })
      .prefault({})
      .describe('Similar requests.'),
  })
  .prefault({})
  .describe('Answers kept for repeated questions.');

const guardrailShape = {
  name: text('Its name in logs and errors.', 64),
  on: z
    .array(z.enum(['input', 'output']).describe('A direction.'))
    .min(1)
    .default(['input', 'output'])
    .describe('Whether prompts, answers or both are checked.'),
  action: z
    .enum(['redact', 'block', 'flag'])
    .default('block')
    .describe('`redact` replaces what was found, `block` refuses with 403, `flag` only logs.'),
  on_failure: z
    .enum(['block', 'allow'])
    .default('block')
    .describe('What happens when the check itself fails or takes too long.'),
  timeout_ms: milliseconds('Longest time for one check.', { max: 60_000 }).default(5000),
  models: z
    .array(modelReference('A model or pattern.'))
    .max(256)
    .optional()
    .describe('Only for these models.'),
  teams: z.array(text('A team’s id.', 64)).max(1024).optional().describe('Only for these teams.'),
};

const guardrail = z
  .discriminatedUnion('type', [
    z.strictObject({
      ...guardrailShape,
      type: z.literal('pii').describe('Personal data and secrets, by pattern and checksum.'),
      entities: z
        .array(
          z
            .enum(['email', 'phone', 'credit_card', 'iban', 'us_ssn', 'ip', 'secret'])
            .describe('A kind of personal data.'),
        )
        .min(1)
        .default(['email', 'phone', 'credit_card', 'iban', 'us_ssn', 'ip', 'secret'])
        .describe('What is looked for.'),
    }),
    z.strictObject({
      ...guardrailShape,
      type: z.literal('regex').describe('Your own patterns, matched in linear time.'),
      patterns: z
        .array(text('A regular expression (RE2 syntax).', 2048))
        .min(1)
        .max(256)
        .describe('What is looked for.'),
    }),
    z.strictObject({
      ...guardrailShape,
      type: z.literal('words').describe('Fixed words and phrases, without regard to case.'),
      words: z.array(text('A word or phrase.', 256)).min(1).max(10_000).describe('What is looked for.'),
    }),
    z.strictObject({
      ...guardrailShape,
      type: z.literal('moderation').describe('A vendor’s moderation model.'),
      provider: providerReference('A name under `providers`, or a vendor.'),
      model: modelReference('Its moderation model.'),
      threshold: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe('Least score that counts, 0 to 1; the vendor’s verdict when absent.'),
    }),
    z.strictObject({
      ...guardrailShape,
      type: z.literal('webhook').describe('Your own service: the text is posted, the verdict read.'),
      url: text('Where it is posted, http(s).', 2048),
      secret: secret('Signs the call (HMAC-SHA256).').optional(),
      headers: headerMap('Headers sent with the call.').default({}),
      allow_private_network: z
        .boolean()
        .default(false)
        .describe('Allow loopback and private addresses for this URL.'),
    }),
  ])
  .describe('A check on prompts and answers.');

/** Checks in order. */
export const guardrails = z
  .array(guardrail)
  .max(256)
  .prefault([])
  .describe('Checks on prompts and answers, in order.');

const identifier = (about: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/, 'Write letters, digits and . _ : @ -')
    .describe(about);

const clientLimits = z
  .strictObject({
    rpm: count('Requests per minute.').optional(),
    tpm: count('Tokens per minute.', { max: 1_000_000_000_000 }).optional(),
    rph: count('Requests per hour.').optional(),
    rpd: count('Requests per day.').optional(),
    tph: count('Tokens per hour.', { max: 1_000_000_000_000 }).optional(),
    tpd: count('Tokens per day.', { max: 1_000_000_000_000 }).optional(),
    concurrency: count('Requests at once.').optional(),
    on_limit: z
      .enum(['refuse', 'queue'])
      .optional()
      .describe('What is over the limit is refused with 429 (default), or waits for its turn.'),
    max_wait_ms: milliseconds('Longest wait with `on_limit: queue`; default 10000.', {
      max: 600_000,
    }).optional(),
    max_waiting: count('Requests that may wait at once; default 100.', { max: 10_000 }).optional(),
  })
  .optional()
  .describe('Rate limits.');

const budgetShape = {
  limit_usd: dollars('What may be spent in the window.'),
  window: z
    .enum(['hour', 'day', 'week', 'month', 'total'])
    .default('month')
    .describe('When it starts anew (UTC).'),
  action: z
    .enum(['block', 'warn', 'downgrade', 'approve'])
    .default('block')
    .describe('What happens at the limit: refuse, only warn, use a cheaper model, or wait for an approval.'),
  downgrade_to: modelReference('The cheaper model with `action: downgrade`.').optional(),
};

const grants = {
  models: z
    .array(modelReference('A model or pattern.'))
    .max(4096)
    .optional()
    .describe('Models allowed; all when absent.'),
  regions: z.array(text('A region.', 64)).max(64).optional().describe('Regions allowed; all when absent.'),
  limits: clientLimits,
  budget: z.strictObject(budgetShape).optional().describe('Its budget.'),
  metadata: metadata.optional(),
};

/** Virtual keys declared in the file; the same fields as `POST /api/keys`, and the key itself. */
export const keys = z
  .array(
    z
      .strictObject({
        name: text('Its name.', 128),
        key: secret('The virtual key itself, starting with `sk-sluice-`.'),
        team_id: identifier('The team it belongs to.').optional(),
        project_id: identifier('The project it belongs to.').optional(),
        user_id: identifier('The user it belongs to.').optional(),
        expires_at: z.iso.datetime({ offset: true }).optional().describe('When it stops working, RFC 3339.'),
        on_client_abort: onClientAbort,
        ...grants,
      })
      .describe('A virtual key.'),
  )
  .max(10_000)
  .prefault([])
  .describe('Virtual keys kept in the file.');

/** Teams declared in the file. */
export const teams = z
  .array(
    z
      .strictObject({ id: identifier('Its id, as in `team_id`.'), name: text('Its name.', 128), ...grants })
      .describe('A team.'),
  )
  .max(10_000)
  .prefault([])
  .describe('Teams kept in the file.');
