import { z } from 'zod';
import { abandoned, hedge, onCut } from './failover.ts';
import {
  count,
  dollars,
  headerMap,
  MODEL_NAME,
  milliseconds,
  modelReference,
  PROVIDER_NAME,
  percent,
  providerReference,
  seconds,
  secret,
  text,
} from './scalars.ts';

const timeoutFields = {
  connect_ms: milliseconds('Longest wait for a connection.'),
  first_byte_ms: milliseconds('From sending the request to the answer’s headers.'),
  first_byte_reasoning_ms: milliseconds('The same for models that reason before they answer.'),
  idle_ms: milliseconds('Longest silence between two chunks of an answer.'),
  progress_idle_ms: milliseconds('Longest time in which a stream sends only pings and no content.'),
  total_ms: milliseconds('For a whole (not streamed) answer.'),
};

const retryFields = {
  attempts: count('Further tries of one deployment after the first.', { min: 0, max: 10 }),
  backoff_ms: milliseconds('Wait before the first retry; doubles, with jitter.', { min: 0 }),
  max_backoff_ms: milliseconds('Longest wait between tries.', { min: 0 }),
};

const circuitFields = {
  failures: count('Failures in a row that open the circuit.'),
  failure_percent: percent('Share of failures in the window that opens it.'),
  min_requests: count('Requests in the window before the share counts.'),
  window_s: seconds('Length of the window.', { max: 3600 }),
  open_s: seconds('How long it stays open the first time.', { max: 3600 }),
  max_open_s: seconds('How long it stays open at most when it keeps failing.', { max: 86_400 }),
  slow_start_s: seconds('Time in which its traffic grows from a tenth to all after it closed again.', {
    min: 0,
    max: 3600,
  }),
};

const timeouts = z
  .strictObject(timeoutFields)
  .partial()
  .prefault({})
  .describe('Timers that differ; the nearest of deployment, model, provider and `upstream.timeouts` counts.');

const retries = z
  .strictObject(retryFields)
  .partial()
  .prefault({})
  .describe(
    'Tries of one deployment, where they differ from `upstream.retries`; a model’s win over a provider’s.',
  );

const circuit = z
  .strictObject(circuitFields)
  .partial()
  .prefault({})
  .describe('When a failing deployment is left alone, where it differs from `upstream.circuit`.');

const price = z
  .strictObject({
    input_usd_per_mtok: dollars('Per million input tokens.').optional(),
    output_usd_per_mtok: dollars('Per million output tokens.').optional(),
    cache_read_usd_per_mtok: dollars('Per million tokens read from the vendor’s cache.').optional(),
    cache_write_usd_per_mtok: dollars(
      'Per million tokens written to the vendor’s five-minute cache.',
    ).optional(),
    cache_write_1h_usd_per_mtok: dollars(
      'Per million tokens written to the vendor’s one-hour cache.',
    ).optional(),
    audio_input_usd_per_mtok: dollars('Per million audio input tokens.').optional(),
    audio_output_usd_per_mtok: dollars('Per million audio output tokens.').optional(),
    input_usd_per_mchar: dollars('Per million characters of text to be spoken.').optional(),
    audio_usd_per_minute: dollars('Per minute of sound to be transcribed.').optional(),
    image_usd: dollars('Per image produced.').optional(),
    request_usd: dollars('Per request.').optional(),
    web_search_usd: dollars('Per search of the web that the vendor makes and reports.').optional(),
  })
  .optional()
  .describe('What it costs; wins over the catalog. A deployment’s price wins over its provider’s.');

const rateLimits = z
  .strictObject({
    rpm: count('Requests per minute.').optional(),
    tpm: count('Tokens per minute.', { max: 1_000_000_000_000 }).optional(),
    concurrency: count('Requests at once.').optional(),
  })
  .optional()
  .describe('The upstream’s own limits: above them requests wait in the queue instead of getting 429.');

const queue = z
  .strictObject({
    max_depth: count('Requests that may wait; above it 429.', { min: 0, max: 1_000_000 }).default(200),
    max_wait_ms: milliseconds('Longest wait; after it 429.', { min: 0 }).default(15_000),
  })
  .prefault({})
  .describe('Where requests wait while `limits` are used up.');

const credentials = z
  .strictObject({
    access_key_id: secret('AWS access key id.').optional(),
    secret_access_key: secret('AWS secret access key.').optional(),
    session_token: secret('AWS session token.').optional(),
    service_account_file: text('Path of a Google service account’s JSON file.', 4096).optional(),
    service_account_json: secret('A Google service account’s JSON.').optional(),
    project: text('Cloud project the calls are made in.', 256).optional(),
  })
  .optional()
  .describe('Credentials that are more than one key, for vendors that sign requests.');

/** One upstream account. */
const provider = z
  .strictObject({
    type: providerReference('Which vendor it is; the entry’s own name when absent.').optional(),
    base_url: text(
      'Where it is reached, http(s), without credentials; the vendor’s own address when absent.',
      2048,
    )
      .transform((url) => url.replace(/\/+$/, ''))
      .optional(),
    api_key: secret('The vendor’s key.').optional(),
    api_keys: z
      .array(secret('One key of the pool.'))
      .min(1)
      .max(1000)
      .optional()
      .describe('A pool of keys, used in turn; instead of `api_key`.'),
    credentials,
    api_version: text('API version, where the vendor asks for one.', 64).optional(),
    region: text('Region it runs in; also its residency for region policies.', 64).optional(),
    headers: headerMap('Headers added to every call.').default({}),
    allow_private_network: z
      .boolean()
      .default(false)
      .describe('Allow loopback and private addresses for this provider.'),
    timeouts,
    limits: rateLimits,
    queue,
    retries,
    circuit,
    price,
    max_connections: count('Open connections to it at once.', { max: 100_000 }).default(512),
  })
  .describe('One upstream account.');

/** Providers by name. */
export const providers = z
  .record(
    z.string().regex(PROVIDER_NAME, 'Name a provider with lower-case letters, digits and . _ - (no slash).'),
    provider,
  )
  .prefault({})
  .describe('Upstream accounts by name.');

const outlierFields = {
  enabled: z.boolean().describe('Whether outliers are left out.'),
  error_percent: percent('Failures in a minute, and three times the others’, that make an outlier.'),
  latency_factor: z
    .number()
    .min(0)
    .max(1000)
    .describe('How many times slower than the others an outlier is; 0 never.'),
  min_requests: count('Answers in a minute before a deployment is judged.'),
  eject_s: seconds('How long it is left out the first time.', { max: 3600 }),
  max_eject_s: seconds('How long it is left out at most when it stays one.', { max: 86_400 }),
};

const outliers = z
  .strictObject(outlierFields)
  .partial()
  .prefault({})
  .describe('When a deployment that does much worse than the model’s others is left out.');

const deploymentObject = z
  .strictObject({
    provider: providerReference('A name under `providers`, or a vendor.'),
    model: modelReference('The vendor’s model name; `*` passes the asked name on.'),
    weight: z
      .number()
      .positive()
      .max(1_000_000)
      .default(1)
      .describe('Share of the traffic with `strategy: weighted`, relative to the others.'),
    priority: count(
      'Group it belongs to: the lowest number is used first, the next when nothing of it is usable.',
      { min: 0, max: 1_000_000 },
    ).default(1),
    region: text('Region of this deployment, where it differs from its provider’s.', 64).optional(),
    price,
    limits: rateLimits,
    timeouts,
  })
  .describe('A model at a provider.');

const DEPLOYMENT_SHORT = /^[a-z0-9][a-z0-9._-]{0,63}\/[A-Za-z0-9*@][A-Za-z0-9._:/@*+~=,-]{0,255}$/;

const deployment = z
  .union([
    z
      .string()
      .regex(DEPLOYMENT_SHORT, 'Write "provider/model", for example "openai/gpt-4o".')
      .transform((short) => {
        const slash = short.indexOf('/');
        return deploymentObject.parse({ provider: short.slice(0, slash), model: short.slice(slash + 1) });
      }),
    deploymentObject,
  ])
  .describe('A model at a provider, or "provider/model" for short.');

const modelList = (about: string) => z.array(modelReference('A model.')).max(32).describe(about);

const model = z
  .strictObject({
    deployments: z.array(deployment).min(1).max(256).describe('Where the model is served.'),
    strategy: z
      .enum(['weighted', 'round_robin', 'least_busy', 'lowest_latency', 'lowest_cost', 'priority'])
      .default('weighted')
      .describe('How a deployment is chosen; `priority` takes them in the listed order.'),
    retries,
    circuit,
    fallbacks: modelList('Other models to try, in order, when every deployment failed.').default([]),
    fallbacks_on: z
      .strictObject({
        context_overflow: modelList('When the prompt does not fit.').default([]),
        content_filter: modelList('When the vendor’s filter refused.').default([]),
        rate_limit: modelList('When every deployment is at its limits (429).').default([]),
      })
      .prefault({})
      .describe('Other models to try for one cause only.'),
    outliers,
    hedge,
    on_cut: onCut,
    timeouts,
    context_window_tokens: count(
      'Prompt and answer together, where the catalog is wrong or silent.',
    ).optional(),
    max_output_tokens: count('Longest answer, where the catalog is wrong or silent.').optional(),
  })
  .describe('A model that clients may ask for.');

/** Models by name or pattern. */
export const models = z
  .record(
    z
      .string()
      .regex(MODEL_NAME, 'Name a model with letters, digits and . _ : / @ + - ; `*` makes a pattern.'),
    model,
  )
  .prefault({})
  .describe('Models by name; a name with `*` is a pattern.');

/** Limits and timers towards every provider. */
export const upstream = z
  .strictObject({
    timeouts: z
      .strictObject({
        connect_ms: timeoutFields.connect_ms.default(5000),
        first_byte_ms: timeoutFields.first_byte_ms.default(60_000),
        first_byte_reasoning_ms: timeoutFields.first_byte_reasoning_ms.default(300_000),
        idle_ms: timeoutFields.idle_ms.default(120_000),
        progress_idle_ms: timeoutFields.progress_idle_ms.default(600_000),
        total_ms: timeoutFields.total_ms.default(600_000),
      })
      .prefault({})
      .describe('Timers; providers, models and deployments may differ.'),
    retries: z
      .strictObject({
        attempts: retryFields.attempts.default(1),
        backoff_ms: retryFields.backoff_ms.default(200),
        max_backoff_ms: retryFields.max_backoff_ms.default(5000),
      })
      .prefault({})
      .describe('Tries of one deployment before the next one; providers and models may differ.'),
    circuit: z
      .strictObject({
        failures: circuitFields.failures.default(5),
        failure_percent: circuitFields.failure_percent.default(50),
        min_requests: circuitFields.min_requests.default(20),
        window_s: circuitFields.window_s.default(10),
        open_s: circuitFields.open_s.default(30),
        max_open_s: circuitFields.max_open_s.default(300),
        slow_start_s: circuitFields.slow_start_s.default(30),
      })
      .prefault({})
      .describe('When a failing deployment is left alone; providers and models may differ.'),
    outliers: z
      .strictObject({
        enabled: outlierFields.enabled.default(true),
        error_percent: outlierFields.error_percent.default(30),
        latency_factor: outlierFields.latency_factor.default(5),
        min_requests: outlierFields.min_requests.default(20),
        eject_s: outlierFields.eject_s.default(30),
        max_eject_s: outlierFields.max_eject_s.default(300),
      })
      .prefault({})
      .describe('When a deployment that does much worse than its siblings is left out; models may differ.'),
    max_answer_mb: count('Largest whole answer. Megabytes.', { max: 4096 }).default(64),
    max_stream_mb: count('Longest streamed answer; one without end is cut off here. Megabytes.', {
      max: 65_536,
    }).default(512),
    max_event_mb: count('Largest event of a stream. Megabytes.', { max: 1024 }).default(16),
    max_error_body_kb: count('How much of an error body is read. Kilobytes.', { max: 16_384 }).default(64),
    max_header_bytes: count('Largest header block of an answer. Bytes.', {
      min: 1024,
      max: 1_048_576,
    }).default(65_536),
    max_retry_percent: percent(
      'Further attempts at deployments that fail, as a share of requests in ten seconds; at least three. A failover to one that works is free.',
    ).default(20),
    abandoned,
    max_retry_after_s: seconds('A vendor’s `retry-after` is cut to this.', { max: 86_400 }).default(300),
  })
  .prefault({})
  .describe('Limits and timers towards every provider.');
