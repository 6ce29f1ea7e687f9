import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { time, usd } from '../shapes.ts';

const name = z.string().min(1).max(256).meta({ description: 'Name of a router' });
const share = z.number().min(0).max(1);

/** What people say of an answer. */
export const feedbackInput = z.strictObject({
  request_id: z.string().min(1).max(256).meta({
    description: 'The answer’s `x-sluice-request-id`, or the id your client sent as `x-request-id`',
  }),
  rating: z.enum(['up', 'down']).optional(),
  score: share.optional().meta({ description: 'How good the answer was, 0 to 1; wins over `rating`' }),
  comment: z.string().max(2000).optional(),
  gold: z
    .strictObject({
      served: share.meta({ description: 'Whether the answer that was given did, 0 to 1' }),
      shadow: share.optional().meta({ description: 'Whether the shadow’s answer did; corrects the judge' }),
    })
    .optional()
    .meta({ description: 'The truth, as somebody who knows has found it' }),
});

const money = z.strictObject({
  /** Null while there are too few exchanges; `says` tells how many more. */
  usd: usd.nullable(),
  low_usd: usd.nullable(),
  high_usd: usd.nullable(),
  exchanges: z.number(),
  more_needed: z.number(),
  says: z.string(),
});

const quality = z.strictObject({
  /** How much worse the weaker model's answers were, 0.02 is two points; null while that is not known to ±ε. */
  loss: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  comparisons: z.number(),
  gold: z.number(),
  more_needed: z.number().nullable(),
  says: z.string(),
});

const atEpsilon = z.strictObject({
  max_loss_percent: z.number(),
  /** Share of exchanges that may go to a weaker model; null while nothing is proven. */
  share: z.number().nullable(),
  saving: money,
  more_needed: z.number().nullable(),
  says: z.string(),
});

const savings = z.strictObject({
  exchanges: z.number(),
  would_move: z.number(),
  moved: z.number(),
  held_out: z.number(),
  /** From the ledger alone: what following every decision would have saved. */
  projected: money,
  /** What followed decisions saved against the baseline at list prices, net of overhead. */
  realised: money,
  /** What they saved as measured on sessions that kept the baseline by lot, net of overhead. */
  verified: money,
  cold_cache_usd: usd,
  quality,
});

const promiseView = z.strictObject({
  route_key: z.string(),
  version: z.number(),
  cause: z.string(),
  at: time.nullable(),
  share: z.number(),
  comparisons: z.number(),
  more_needed: z.number().nullable(),
  alarm: z.number(),
  scored_by: z.string(),
  says: z.string(),
});

const reportAnswer = z.strictObject({
  router: z.string(),
  mode: z.string(),
  baseline: z.string(),
  from: time,
  to: time,
  truncated: z.boolean(),
  max_loss_percent: z.number(),
  confidence_percent: z.number(),
  /** Whether a promise is kept: a judge and a share of shadows are configured. */
  guarded: z.boolean(),
  says: z.string(),
  total: savings,
  by_max_loss: z.array(atEpsilon),
  overhead: z.strictObject({
    shadow_usd: usd,
    judge_usd: usd,
    retry_usd: usd,
    lost_cache_usd: usd,
    embedding_usd: usd,
  }),
  shadow: z.strictObject({
    runs: z.number(),
    judged: z.number(),
    failed: z.number(),
    spent_today_usd: usd,
    max_usd_per_day: usd,
  }),
  routes: z.array(savings.extend({ route_key: z.string(), promise: promiseView.nullable() })),
  /** The newest decisions, newest first. */
  decisions: z.array(
    z.strictObject({
      exchange_id: z.string(),
      at: time,
      route_key: z.string(),
      tier: z.string(),
      reason: z.string(),
      model: z.string(),
      served: z.string(),
      followed: z.boolean(),
      held_out: z.boolean(),
      cost_usd: usd.nullable(),
    }),
  ),
  events: z.array(
    z.strictObject({
      at: time,
      route_key: z.string(),
      version: z.number(),
      cause: z.string(),
      says: z.string(),
    }),
  ),
});

/** What routers learn, promise and save. */
export const learningContract = {
  giveFeedback: endpoint({
    method: 'POST',
    path: '/api/feedback',
    summary: 'Say how good a logged answer was; routers learn from it',
    permission: 'keys:write',
    own: 'own:write',
    input: feedbackInput,
    output: z.strictObject({ exchange_id: z.string(), learned: z.boolean(), says: z.string() }),
    audit: 'feedback.give',
  }),
  reportRouter: endpoint({
    method: 'GET',
    path: '/api/routers/:name/report',
    summary: 'Savings projected, realised and verified, with intervals, and what the promise stands on',
    permission: 'exchanges:read',
    input: z.strictObject({
      name,
      from: time.optional().meta({ description: 'Default: seven days ago' }),
      to: time.optional(),
    }),
    output: reportAnswer,
  }),
  rollBackRouter: endpoint({
    method: 'POST',
    path: '/api/routers/:name/rollback',
    summary: 'Go back to the version before the present one, on one route or on all',
    permission: 'config:write',
    input: z.strictObject({ name, route_key: z.string().max(64).optional() }),
    output: z.strictObject({ routes: z.array(promiseView) }),
    audit: 'routers.roll_back',
  }),
} as const satisfies Record<string, Endpoint>;
