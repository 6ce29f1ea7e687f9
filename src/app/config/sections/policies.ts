import { z } from 'zod';
import {
  count,
  dollars,
  headerMap,
  MODEL_NAME,
  metadata,
  milliseconds,
  modelReference,
  percent,
  providerReference,
  seconds,
  secret,
  text,
} from './scalars.ts';

const cascade = z
  .strictObject({
    models: z.array(modelReference('A model.')).min(2).max(8).describe('Models from cheap to strong.'),
    escalate_on: z
      .array(
        z.enum(['refusal', 'uncertainty', 'error', 'invalid_output']).describe('A sign of a weak answer.'),
      )
      .min(1)
      .default(['refusal', 'error', 'invalid_output'])
      .describe('What makes the next model answer instead.'),
    max_escalations: count('How often one request may move up.', { max: 8 }).default(1),
  })
  .optional()
  .describe('Ask the cheap model first and a stronger one when the answer is weak.');

const shadow = z
  .strictObject({
    percent: percent(
      'Share of the requests that would go to a cheaper model which are also sent there.',
    ).default(0),
    max_usd_per_day: dollars('Spend on shadow calls.').default(1),
    judge: modelReference('The model that compares the answers.').optional(),
  })
  .prefault({})
  .describe('Copies sent to the cheaper model, to learn whether it would have done.');

const router = z
  .strictObject({
    mode: z
      .enum(['off', 'observe', 'canary', 'on'])
      .default('observe')
      .describe(
        '`observe` serves the baseline and logs what it would have done; `canary` follows it for a share.',
      ),
    canary_percent: percent('Share of requests that follow the router in `canary` mode.').default(10),
    baseline: modelReference('Served in `off` and `observe` mode, and compared against.'),
    tiers: z
      .strictObject({
        easy: modelReference('For easy prompts.'),
        medium: modelReference('For prompts in between; the baseline when absent.').optional(),
        hard: modelReference('For hard prompts.'),
        needs_info: modelReference('For prompts that lack something; the baseline when absent.').optional(),
      })
      .describe('Which model serves which tier.'),
    objective: z
      .enum(['cost', 'balanced', 'quality'])
      .default('balanced')
      .describe('What is favoured when both would do.'),
    max_quality_loss_percent: percent('How much worse than the baseline the answers may be.').default(2),
    confidence_percent: percent('How sure that promise has to be.').default(90),
    rules: z
      .array(
        z
          .strictObject({
            when: text('Condition over the request, for example tags.feature == "support-bot".', 4096),
            use: modelReference('The model to use.'),
          })
          .describe('A condition and its model.'),
      )
      .max(256)
      .default([])
      .describe('Fixed choices; the first that holds wins.'),
    cascade,
    shadow,
  })
  .describe('A name clients may ask for instead of a model.');

/** Routers by name. */
export const routers = z
  .record(z.string().regex(MODEL_NAME, 'Name a router with letters, digits and . _ : / @ + -'), router)
  .prefault({})
  .describe('Routers by name: which model should answer this prompt.');

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
    concurrency: count('Requests at once.').optional(),
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

/** Budgets declared in the file, for any scope. */
export const budgets = z
  .array(
    z
      .strictObject({
        name: text('Its name.', 128),
        scope: z
          .enum(['organization', 'team', 'project', 'user', 'key', 'tag', 'model'])
          .describe('What it limits.'),
        scope_id: text('Which one: an id, a key’s name, a tag as `name=value`, or a model.', 256),
        ...budgetShape,
      })
      .describe('A budget.'),
  )
  .max(10_000)
  .prefault([])
  .describe('Budgets kept in the file.');
