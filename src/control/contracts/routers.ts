import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { optionalPage, pageOf, time, usd } from '../shapes.ts';

const name = z.string().min(1).max(256).meta({ description: 'Name of a router' });
const routerParam = z.strictObject({ name });
const texts = z.record(z.string().max(128), z.string().max(1024));
const mode = z.enum(['off', 'observe', 'canary', 'on']);

const routerView = z.strictObject({
  name: z.string(),
  version: z.string(),
  mode,
  canary_percent: z.number(),
  baseline: z.string(),
  objective: z.string(),
  candidates: z.array(
    z.strictObject({
      model: z.string(),
      tier: z.string().nullable(),
      input_usd_per_mtok: usd.nullable(),
      output_usd_per_mtok: usd.nullable(),
    }),
  ),
  rules: z.array(
    z.strictObject({ name: z.string().nullable(), when: z.string(), use: z.string(), mode: mode.nullable() }),
  ),
  experiments: z.array(z.string()),
  thresholds: z.string(),
  prompt_model: z.string().nullable(),
});

const explainInput = routerParam.extend({
  prompt: z.string().max(1_000_000).optional().meta({ description: 'The user’s turn; or `request`' }),
  system: z.string().max(1_000_000).optional(),
  request: z
    .record(z.string(), z.unknown())
    .optional()
    .meta({ description: 'A whole request as for /v1/chat/completions; wins over `prompt`' }),
  model: z
    .string()
    .max(256)
    .optional()
    .meta({ description: 'Model name the client would send; default: the router’s own' }),
  key_id: z.string().max(100).optional(),
  tags: texts.optional(),
  headers: texts.optional(),
  metadata: z.record(z.string().max(128), z.unknown()).optional(),
  session: z.string().max(200).optional(),
  at: time.optional().meta({ description: 'When it would come; default now' }),
});

/** A receipt is shown as it is stored; its fields are described in docs/guides/router.md. */
const receipt = z.record(z.string(), z.unknown());

const ruleInput = z.strictObject({
  name: z.string().max(64).optional(),
  when: z.string().min(1).max(4096),
  use: z.string().min(1).max(256),
  mode: mode.optional(),
  interrupt: z.boolean().default(false),
});

const testAnswer = z.strictObject({
  from: time,
  to: time,
  /** Exchanges of this router in that time, and why some could not be judged. */
  exchanges: z.number(),
  judged: z.number(),
  without_receipt: z.number(),
  without_cost: z.number(),
  truncated: z.boolean(),
  changed: z.number(),
  actual_usd: usd,
  projected_usd: usd,
  saving_usd: usd,
  /** Mean chance of a good answer, where the prompt model was asked. */
  actual_p_ok: z.number().nullable(),
  projected_p_ok: z.number().nullable(),
  by_model: z.array(
    z.strictObject({ model: z.string(), actual: z.number(), projected: z.number(), projected_usd: usd }),
  ),
  by_rule: z.array(z.strictObject({ rule: z.string(), matched: z.number() })),
  note: z.string(),
});

const armView = z.strictObject({
  model: z.string(),
  percent: z.number(),
  sessions: z.number(),
  exchanges: z.number(),
  good: z.number(),
  good_rate: z.number().nullable(),
  mean_cost_usd: usd.nullable(),
  mean_latency_ms: z.number().nullable(),
});

const experimentView = z.strictObject({
  name: z.string(),
  metric: z.string(),
  arms: z.array(armView),
  /** Each arm against the first one. */
  comparisons: z.array(
    z.strictObject({
      first: z.string(),
      second: z.string(),
      pairs: z.number(),
      e_value: z.number(),
      needed: z.number(),
      decided: z.boolean(),
      winner: z.string().nullable(),
    }),
  ),
  stop: z.boolean(),
  says: z.string(),
});

/** Routers: what they are, what they would do, and what became of it. */
export const routerContract = {
  listRouters: endpoint({
    method: 'GET',
    path: '/api/routers',
    summary: 'Routers with their models, prices and rules; all at once without `limit`',
    permission: 'config:read',
    input: optionalPage,
    output: pageOf(routerView),
  }),
  explainRoute: endpoint({
    method: 'POST',
    path: '/api/routers/:name/explain',
    summary: 'What a router would decide for a prompt, with its evidence; no model is called',
    permission: 'config:read',
    input: explainInput,
    output: receipt,
  }),
  replayRoute: endpoint({
    method: 'POST',
    path: '/api/routers/:name/replay',
    summary: 'Decide a logged exchange again and compare',
    permission: 'exchanges:read',
    input: routerParam.extend({ exchange_id: z.string().min(1).max(100) }),
    output: z.strictObject({
      same_version: z.boolean(),
      same_decision: z.boolean(),
      recorded: receipt,
      now: receipt,
    }),
  }),
  testRoute: endpoint({
    method: 'POST',
    path: '/api/routers/:name/test',
    summary: 'What other rules would have done with logged exchanges, in dollars and expected quality',
    permission: 'exchanges:read',
    input: routerParam.extend({
      rules: z.array(ruleInput).max(256),
      objective: z.enum(['cost', 'balanced', 'quality']).optional(),
      from: time.optional().meta({ description: 'Default: seven days ago' }),
      to: time.optional(),
    }),
    output: testAnswer,
  }),
  listExperiments: endpoint({
    method: 'GET',
    path: '/api/routers/:name/experiments',
    summary: 'Outcomes of a router’s experiments by arm, and whether they may be stopped',
    permission: 'exchanges:read',
    input: routerParam.extend({ ...optionalPage.shape, from: time.optional(), to: time.optional() }),
    output: pageOf(experimentView),
  }),
} as const satisfies Record<string, Endpoint>;
