import { z } from 'zod';
import { count, milliseconds, percent } from './scalars.ts';

/** When a second deployment is asked although the first has not failed. */
export const hedge = z
  .strictObject({
    after_ms: milliseconds(
      'Ask a second deployment when the first has not begun to answer by then; with `percentile`, at the earliest then.',
    ).optional(),
    percentile: z
      .number()
      .min(50)
      .max(99.9)
      .optional()
      .describe(
        'Instead of a fixed time: when the first takes longer than this share of its own last answers did; 95 when neither is given. Percent, 50 to 99.9.',
      ),
    max_percent: percent('Second calls, as a share of the model’s requests in ten seconds.').default(10),
  })
  .optional()
  .describe('Ask a second deployment when the first is slow to begin; both are paid. Off when absent.');

/** What becomes of a stream that breaks off. */
export const onCut = z
  .enum(['error', 'restart'])
  .default('error')
  .describe(
    'What happens when a stream breaks off after content: `error` ends it with an error event, `restart` goes on with a new call after a visible marker; both calls are paid.',
  );

/** Equal requests at the same time. */
export const singleFlight = z
  .strictObject({
    enabled: z
      .boolean()
      .optional()
      .describe(
        'Answer equal requests that run at the same time by one call; on with `cache.exact` unless said here.',
      ),
    max_buffer_kb: count('How much of a running answer is kept for requests that join late. Kilobytes.', {
      min: 16,
      max: 1_048_576,
    }).default(4096),
    max_total_mb: count('The same for all running answers together. Megabytes.', { max: 65_536 }).default(64),
  })
  .prefault({})
  .describe('Equal requests at the same time.');

/** Answers that are read on without a client. */
export const abandoned = z
  .strictObject({
    max_concurrent: count('How many at once; beyond it the provider is hung up on.', { min: 0 }).default(64),
    max_ms: milliseconds('How long each.').default(60_000),
  })
  .prefault({})
  .describe('Answers read to their end although the client left, for keys with `on_client_abort: drain`.');

/** What becomes of the provider's call when a client leaves. */
export const onClientAbort = z
  .enum(['abort', 'drain'])
  .optional()
  .describe(
    'When the client leaves: `abort` (default) hangs up on the provider and bills an estimate, `drain` reads on to the exact usage.',
  );
