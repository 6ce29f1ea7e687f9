import { z } from 'zod';
import { cidrs, keyPolicyInput, operations } from './contracts/policy-shapes.ts';

/** Money: US dollars as a decimal string with nano-dollar precision. */
export const usd = z.string().meta({ description: 'US dollars, decimal string with up to nine decimals' });
/** RFC 3339 in UTC. */
export const time = z.iso.datetime().meta({ description: 'RFC 3339, UTC' });

/** A page of a list, newest first. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().min(1).max(500).optional(),
});

/** A page of a list that is short: all of it at once without `limit`. */
export const optionalPage = z.strictObject({
  limit: pageQuery.shape.limit.unwrap().optional(),
  cursor: pageQuery.shape.cursor,
});

/** A list answer. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ data: z.array(item), next_cursor: z.string().nullable() });
}

export const idParam = z.strictObject({ id: z.string().min(1).max(100) });

export const keyLimits = z.strictObject({
  rpm: z.number().int().positive().max(1e9).optional(),
  tpm: z.number().int().positive().max(1e12).optional(),
  rph: z.number().int().positive().max(1e9).optional(),
  rpd: z.number().int().positive().max(1e9).optional(),
  tph: z.number().int().positive().max(1e12).optional(),
  tpd: z.number().int().positive().max(1e12).optional(),
  concurrency: z.number().int().positive().max(1e6).optional(),
  on_limit: z.enum(['refuse', 'queue']).optional().meta({
    description: 'What is over the limit is refused (default), or waits for its turn',
  }),
  max_wait_ms: z.number().int().min(1).max(600_000).optional(),
  max_waiting: z.number().int().min(1).max(10_000).optional(),
});

export const budgetInput = z.strictObject({
  limit_usd: z.union([z.number().nonnegative().max(1e6), z.string().max(30)]),
  window: z.enum(['hour', 'day', 'week', 'month', 'total']).default('month'),
  action: z.enum(['block', 'warn', 'downgrade', 'approve']).default('block'),
  downgrade_to: z.string().min(1).max(256).optional(),
});

export const budgetState = z.strictObject({
  limit_usd: usd,
  settled_usd: usd,
  held_usd: usd,
  remaining_usd: usd,
  window: z.enum(['hour', 'day', 'week', 'month', 'total']),
  action: z.enum(['block', 'warn', 'downgrade', 'approve']),
  window_start: time,
  window_end: time.nullable(),
});

/** What people call something: no control characters, which would reach terminals and logs. Characters. */
export const nameText = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
    .regex(/^[^\u0000-\u001f\u007f]*$/, 'A name may not hold control characters');

const keyFields = {
  name: nameText(200),
  service_account_id: z.string().max(100).nullable(),
  operations: operations.nullable(),
  cidrs: cidrs.nullable(),
  policy: keyPolicyInput,
  team_id: z.string().max(100).nullable(),
  project_id: z.string().max(100).nullable(),
  user_id: z.string().max(100).nullable(),
  models: z.array(z.string().min(1).max(200)).max(500).nullable(),
  expires_at: time.nullable(),
  limits: keyLimits,
  metadata: z.record(z.string().max(100), z.string().max(1000)),
  /** When the client leaves: hang up on the provider and bill an estimate, or read on to the exact usage. */
  on_client_abort: z.enum(['abort', 'drain']),
};

/** What may be said when a key is made. */
export const keyInput = z.strictObject({
  name: keyFields.name,
  organization_id: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Only the admin key can name another than its own' }),
  service_account_id: keyFields.service_account_id.optional(),
  operations: keyFields.operations.optional(),
  cidrs: keyFields.cidrs.optional().meta({ description: 'Addresses and blocks the key may be used from' }),
  policy: keyPolicyInput.optional(),
  rotate_every_s: z
    .number()
    .int()
    .min(1)
    .max(366 * 86_400)
    .nullable()
    .optional()
    .meta({ description: 'A new secret at fixed times, to be claimed by the owner' }),
  rotate_overlap_s: z
    .number()
    .int()
    .min(0)
    .max(30 * 86_400)
    .optional()
    .meta({
      description: 'How long the old secret works on; default: a day, at most half the time between two',
    }),
  team_id: keyFields.team_id.optional(),
  project_id: keyFields.project_id.optional(),
  user_id: keyFields.user_id.optional(),
  models: keyFields.models.optional(),
  expires_at: keyFields.expires_at.optional(),
  limits: keyLimits.optional(),
  budget: budgetInput.nullable().optional(),
  metadata: keyFields.metadata.optional(),
  on_client_abort: keyFields.on_client_abort.optional(),
});

/** Which keys a list shows. */
export const keyFilter = pageQuery.extend({
  organization_id: z.string().max(100).optional(),
  team_id: z.string().max(100).optional(),
  project_id: z.string().max(100).optional(),
  user_id: z.string().max(100).optional(),
  service_account_id: z.string().max(100).optional(),
});

/** A virtual key without its secret. */
export const keyView = z.strictObject({
  id: z.string(),
  organization_id: z.string(),
  ...keyFields,
  /** Last characters of the secret. */
  hint: z.string(),
  status: z.enum(['active', 'blocked', 'expired', 'revoked']),
  created_at: time,
  previous_key_expires_at: time.nullable(),
  rotation: z
    .strictObject({
      every_s: z.number(),
      overlap_s: z.number(),
      next_at: time,
      /** A new secret waits: `POST /api/keys/:id/claim` gives it out, once. */
      unclaimed: z.boolean(),
    })
    .nullable(),
  budget: budgetState.nullable(),
});

/** The secret is in this answer only, never again. */
export const keyWithSecret = keyView.extend({ key: z.string() });

export const usageView = z.strictObject({
  input: z.number(),
  cache_read: z.number(),
  cache_write_5m: z.number(),
  cache_write_1h: z.number(),
  output: z.number(),
  reasoning: z.number(),
  audio_input: z.number(),
  audio_output: z.number(),
  images: z.number(),
  source: z.enum(['reported', 'estimated', 'unknown']),
});

/** A row of the log. */
export const exchangeRow = z.strictObject({
  id: z.string(),
  client_request_id: z.string().nullable(),
  started_at: time,
  key_id: z.string().nullable(),
  organization_id: z.string(),
  team_id: z.string().nullable(),
  project_id: z.string().nullable(),
  operation: z.string(),
  model: z.string(),
  provider: z.string().nullable(),
  upstream_model: z.string().nullable(),
  format: z.string(),
  stream: z.boolean(),
  status: z.number(),
  outcome: z.enum(['answered', 'failed', 'cut', 'abandoned', 'refused', 'crashed']),
  error: z.string().nullable(),
  finish_reason: z.string().nullable(),
  usage: usageView,
  cost_usd: usd.nullable(),
  latency_ms: z.number(),
  first_byte_ms: z.number().nullable(),
  attempts: z.number(),
  cache: z.enum(['hit', 'semantic', 'miss', 'bypass']),
  plan: z.enum(['bytes', 'patched', 'canonical']).nullable(),
  tags: z.record(z.string(), z.string()),
  user: z.string().nullable(),
  session: z.string().nullable(),
});

const costByClass = z.strictObject({
  input: usd,
  cache_read: usd,
  cache_write_5m: usd,
  cache_write_1h: usd,
  output: usd,
  audio_input: usd,
  audio_output: usd,
  images: usd,
  requests: usd,
  total: usd,
});

/** One exchange with everything known about it. */
export const exchangeDetail = exchangeRow.extend({
  attempts_detail: z.array(
    z.strictObject({
      provider: z.string(),
      upstream_model: z.string(),
      started_at: time,
      latency_ms: z.number(),
      status: z.number().nullable(),
      error: z.string().nullable(),
      /** Why it was made; `skipped`: no call, `error` says why the place was passed over. */
      kind: z.enum(['first', 'retry', 'failover', 'fallback', 'hedge', 'restart', 'skipped']),
      /** Where it was processed, as configured. */
      region: z.string().nullable(),
    }),
  ),
  upstream_format: z.string().nullable(),
  dropped: z.array(z.string()),
  cost_by_class: costByClass.nullable(),
  price: z
    .strictObject({
      source: z.enum(['catalog', 'config', 'override', 'vendor']),
      as_of: z.string(),
      usd_per_mtok: z.record(z.string(), usd),
      /** Service tiers, speeds and places whose factors the rates hold, as the vendor names them. */
      terms: z.array(z.string()),
    })
    .nullable(),
  metadata: z.string().nullable(),
  decision: z.unknown().nullable(),
  /** What policies, budgets and approvals did to it. */
  ruling: z.unknown().nullable(),
});

export const exchangeFilter = pageQuery.extend({
  organization_id: z.string().max(100).optional(),
  team_id: z.string().max(100).optional(),
  key_id: z.string().max(100).optional(),
  model: z.string().max(300).optional(),
  provider: z.string().max(100).optional(),
  status: z.coerce.number().int().optional(),
  client_request_id: z.string().max(200).optional(),
  tag: z.string().max(300).optional().meta({ description: '`name` or `name=value`' }),
  from: time.optional(),
  to: time.optional(),
});

export const modelView = z.strictObject({
  id: z.string(),
  provider: z.string(),
  context_tokens: z.number().nullable(),
  max_output_tokens: z.number().nullable(),
  price_usd_per_mtok: z
    .strictObject({ input: usd, output: usd, cache_read: usd, cache_write_5m: usd })
    .nullable(),
});

export const statusView = z.strictObject({
  version: z.string(),
  started_at: time,
  uptime_s: z.number(),
  demo: z.boolean(),
  ready: z.boolean(),
  access_mode: z.enum(['open', 'keys']),
  base_url: z.string(),
  config: z.strictObject({
    path: z.string().nullable(),
    hash: z.string(),
    loaded_at: time,
    /** Problems of a newer file that was not accepted; the old configuration is live. */
    problems: z.array(z.strictObject({ path: z.string(), problem: z.string(), remedy: z.string() })),
  }),
  providers: z.array(
    z.strictObject({
      name: z.string(),
      type: z.string(),
      base_url: z.string(),
      credentials: z.number(),
      /** Credentials the provider refused lately; they are left alone for a while. */
      resting_credentials: z.number(),
      /** A secret it refers to cannot be read; no call is made with another in its place. */
      unreadable: z.boolean(),
      models: z.number(),
    }),
  ),
  /** Health of each deployment that is configured or was called since the start; those in trouble first. */
  deployments: z.array(
    z.strictObject({
      id: z.string(),
      provider: z.string(),
      model: z.string(),
      region: z.string().nullable(),
      weight: z.number(),
      /** Group of its model's deployments; the lowest is used first. */
      priority: z.number(),
      state: z.enum(['closed', 'open', 'half_open']),
      /** Failures in a row. */
      failures: z.number(),
      /** When an open circuit admits its next probe. */
      probes_at: time.nullable(),
      /** Until when the upstream asked to be left alone (429). */
      rests_until: time.nullable(),
      /** Left out of a model because it does much worse than the model's other deployments. */
      ejected: z
        .strictObject({ model: z.string(), reason: z.enum(['errors', 'latency']), until: time })
        .nullable(),
      /** Part of its usual traffic that it gets: less than 100 while it recovers, 0 while it is ejected. */
      share_percent: z.number(),
      in_flight: z.number(),
      waiting: z.number(),
      /** Decayed time to the first byte. */
      first_byte_ms: z.number().nullable(),
      /** Answers and failures of its own in the last minute. */
      requests_last_minute: z.number(),
      failed_percent: z.number().nullable(),
      /** The provider's pool as it stands here; secrets are never shown. */
      credentials: z.array(
        z.strictObject({
          index: z.number(),
          /** Last characters; empty for a short secret. */
          hint: z.string(),
          /**
           * `limited`: its limits are used up. `resting`: the upstream asked for it, here (429, 403). `refused`: by 401 or
           * 402, at every deployment.
           */
          state: z.enum(['ready', 'limited', 'resting', 'refused']),
          until: time.nullable(),
          in_flight: z.number(),
          /** What is left of the limits its answers told; `null` when they told none. */
          headroom_percent: z.number().nullable(),
        }),
      ),
    }),
  ),
  /** What works otherwise than it was meant: settings that wait for a start, secrets that cannot be read, budgets whose cheaper model is gone. */
  warnings: z.array(z.strictObject({ about: z.string(), problem: z.string(), remedy: z.string() })),
  keys: z.number(),
  example_model: z.string(),
});

export const auditRow = z.strictObject({
  sequence: z.number(),
  at: time,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  details: z.unknown(),
  hash: z.string(),
});
