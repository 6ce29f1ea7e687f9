import { z } from 'zod';
import {
  count,
  dollars,
  MODEL_NAME,
  modelReference,
  percent,
  providerReference,
  seconds,
  text,
} from './scalars.ts';

const mode = (about: string) => z.enum(['off', 'observe', 'canary', 'on']).describe(about);

const condition = text('Condition over the request (CEL), for example tags.feature == "support-bot".', 4096);

const judge = z
  .strictObject({
    model: modelReference(
      'The model that judges; the keys whose requests it reads must be allowed to use it.',
    ),
    rubric: text('What answers have to meet besides being right and complete.', 2000).optional(),
    timeout_ms: count('Without a verdict by then the answer passes. Milliseconds.', {
      min: 100,
      max: 60_000,
    }).default(10_000),
  })
  .optional()
  .describe(
    'A model asked whether an answer passes, where no other sign speaks against it. Its cost is the exchange’s.',
  );

const cascade = z
  .strictObject({
    models: z.array(modelReference('A model.')).min(2).max(8).describe('Models from cheap to strong.'),
    escalate_on: z
      .array(
        z
          .enum(['refusal', 'uncertainty', 'error', 'invalid_output', 'tool_failure'])
          .describe('A sign of a weak answer.'),
      )
      .min(1)
      .default(['refusal', 'error', 'invalid_output', 'tool_failure'])
      .describe('What makes the next model answer instead.'),
    max_escalations: count('How often one request may move up.', { max: 8 }).default(1),
    judge,
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
    holdout_percent: percent(
      'Share of sessions that keep the baseline in `on` mode, to measure savings and quality by.',
    ).default(5),
    charge: z
      .enum(['gateway', 'key'])
      .default('gateway')
      .describe('Who pays for copies and judge: nobody’s budget, or the key’s own.'),
  })
  .prefault({})
  .describe('Copies sent to the cheaper model, to learn whether it would have done.');

const tiers = z
  .strictObject({
    easy: modelReference('For easy prompts.'),
    medium: modelReference('For prompts in between; the baseline when absent.').optional(),
    hard: modelReference('For hard prompts.'),
    needs_info: modelReference('For prompts that lack something; the baseline when absent.').optional(),
  })
  .optional()
  .describe('Which model serves which tier.');

const maxPrice = z
  .strictObject({
    input_usd_per_mtok: dollars('Input, per million tokens.').optional(),
    output_usd_per_mtok: dollars('Output, per million tokens.').optional(),
    request_usd: dollars('The whole request at its worst.').optional(),
  })
  .optional()
  .describe('Models that cost more are not chosen.');

const rule = z
  .strictObject({
    name: text('Its name in receipts.', 64).optional(),
    when: condition,
    use: modelReference('The model to use.'),
    mode: mode('Mode of this rule alone; the router’s when absent.').optional(),
    interrupt: z
      .boolean()
      .default(false)
      .describe('May change the model of a session whose prompt cache is warm; never inside a tool loop.'),
  })
  .describe('A condition and its model.');

const experiment = z
  .strictObject({
    name: text('Its name in receipts and reports.', 64),
    when: condition.optional(),
    arms: z
      .array(
        z
          .strictObject({
            model: modelReference('A model.'),
            percent: percent('Share of sessions.'),
          })
          .describe('A model and its share.'),
      )
      .min(2)
      .max(8)
      .describe('What sessions are split between; the rest is routed as usual.'),
    metric: z
      .enum(['answered', 'no_escalation', 'finished'])
      .default('answered')
      .describe(
        'What counts as a good outcome: an answer, one no cascade escalated, one that was not cut short.',
      ),
    confidence_percent: percent('How sure the stopping rule has to be.').default(95),
  })
  .describe('Sessions split between models; each session keeps its arm.');

const intent = z
  .strictObject({
    name: text('Its name in receipts.', 64),
    utterances: z.array(text('An example of what people write.', 1000)).min(1).max(64).describe('Examples.'),
    use: modelReference('The model to use.'),
    threshold: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe('Least similarity of spelling (cosine over n-grams), 0 to 1.'),
    meaning_threshold: z
      .number()
      .min(0)
      .max(1)
      .default(0.6)
      .describe('Least similarity of meaning (cosine), 0 to 1, where `routing.embedder` compares.'),
  })
  .describe('Prompts that resemble these go to this model.');

const attach = z
  .strictObject({
    keys: z.array(text('A key’s name or id.', 128)).max(1024).default([]).describe('Keys.'),
    teams: z.array(text('A team’s id.', 128)).max(1024).default([]).describe('Teams.'),
    tags: z
      .array(text('A tag as name=value.', 256).regex(/^[^=]+=.+$/, 'Write name=value.'))
      .max(1024)
      .default([])
      .describe('Tags of requests.'),
  })
  .optional()
  .describe(
    'Whose requests pass through this router whatever model they name; that model is served while decisions are not followed.',
  );

const session = z
  .strictObject({
    ttl_s: seconds('How long a quiet session is remembered.').default(3600),
    cache_ttl_s: seconds('How long a prompt cache is taken to be warm.').default(300),
    min_cache_tokens: count('Shorter prompts are cached by nobody. Tokens.').default(1024),
    upgrade: z
      .boolean()
      .default(false)
      .describe('Whether a prompt too hard for a session’s model may move it although the cache is lost.'),
  })
  .prefault({})
  .describe(
    'When a conversation changes its model: never inside a tool loop, else only if that saves more than its prompt cache is worth.',
  );

const router = z
  .strictObject({
    mode: mode(
      '`observe` serves the baseline and logs what it would have done; `canary` follows it for a share of sessions.',
    ).default('observe'),
    canary_percent: percent('Share of sessions that follow the router in `canary` mode.').default(10),
    baseline: modelReference('Served in `off` and `observe` mode, and compared against.'),
    tiers,
    models: z
      .array(modelReference('A model.'))
      .max(32)
      .default([])
      .describe('Further models to choose among, ranked by price; with `tiers` these are added.'),
    objective: z
      .enum(['cost', 'balanced', 'quality'])
      .default('balanced')
      .describe('What is favoured when several would do.'),
    max_price: maxPrice,
    min_quality: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Least expected chance of a good answer, 0 to 1; the best model when none reaches it.'),
    max_quality_loss_percent: percent('How much worse than the baseline the answers may be.').default(2),
    confidence_percent: percent('How sure that promise has to be.').default(90),
    rules: z.array(rule).max(256).default([]).describe('Fixed choices; the first that holds wins.'),
    experiments: z.array(experiment).max(32).default([]).describe('Comparisons of models on real sessions.'),
    intents: z.array(intent).max(64).default([]).describe('Models by what a prompt resembles.'),
    attach,
    session,
    cascade,
    shadow,
  })
  .describe('A name clients may ask for instead of a model.');

/** Routers by name. */
export const routers = z
  .record(z.string().regex(MODEL_NAME, 'Name a router with letters, digits and . _ : / @ + -'), router)
  .prefault({})
  .describe('Routers by name: which model should answer this prompt.');

/** What holds for all routers. */
export const routing = z
  .strictObject({
    observe: z
      .boolean()
      .default(true)
      .describe('Without any router: note for a few requests a second which cheaper model might have done.'),
    headers: z
      .array(
        z
          .string()
          .regex(/^[a-z0-9-]{1,64}$/, 'Write the header in lower case.')
          .describe('A header of clients.'),
      )
      .max(16)
      .default([])
      .describe('Headers that conditions may read as headers["x-name"]; they are kept in receipts.'),
    embedder: z
      .strictObject({
        provider: providerReference('A name under `providers`, or a vendor.'),
        model: modelReference('Its embedding model.'),
        timeout_ms: count('A request waits no longer for it. Milliseconds.', {
          min: 10,
          max: 30_000,
        }).default(1000),
      })
      .optional()
      .describe('Compares prompts with the utterances of intents by meaning; without it, by spelling.'),
  })
  .prefault({})
  .describe('What holds for all routers.');
