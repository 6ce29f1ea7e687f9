import { z } from 'zod';
import { count, milliseconds, seconds, secret, text } from './scalars.ts';

/** Where the gateway listens and what a client may ask of it. */
export const server = z
  .strictObject({
    host: z
      .string()
      .regex(
        /^[A-Za-z0-9[:][A-Za-z0-9_.:%[\]-]{0,254}$/,
        'Write a host name or an IP address, without a scheme or port.',
      )
      .default('127.0.0.1')
      .describe('Address to listen on. Anything but loopback needs `access.mode: keys`.'),
    port: count('TCP port to listen on; 0 takes any free one.', { min: 0, max: 65_535 }).default(4100),
    public_url: z
      .string()
      .regex(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'Write an http:// or https:// URL.')
      .optional()
      .describe('The URL under which clients reach the gateway, where a proxy stands before it.'),
    allowed_hosts: z
      .array(text('A host name.', 255))
      .max(256)
      .default([])
      .describe('`Host` names to answer to besides the address listened on; others get 421.'),
    trusted_proxies: z
      .array(
        z
          .string()
          .regex(
            /^[0-9A-Fa-f.:]{2,45}(\/\d{1,3})?$/,
            'Write an IP address or a CIDR block such as 10.0.0.0/8.',
          )
          .describe('An IP address or CIDR block.'),
      )
      .max(256)
      .default([])
      .describe('Proxies whose `X-Forwarded-For` is believed; also for limits and allow-lists by address.'),
    max_body_mb: count('Largest request body, also after decompression. Megabytes.', { max: 1024 }).default(
      32,
    ),
    max_expansion_ratio: count('A compressed body may grow by at most this factor.', { max: 10_000 }).default(
      100,
    ),
    max_header_bytes: count('Largest header block of a request. Bytes.', {
      min: 1024,
      max: 1_048_576,
    }).default(16_384),
    max_json_depth: count('Deepest nesting of a JSON body. Levels.', { min: 4, max: 512 }).default(64),
    max_connections: count('Open client connections at once.', { max: 1_000_000 }).default(2000),
    max_connections_per_address: count('Open connections from one address.', { max: 1_000_000 }).default(200),
    max_in_flight: count('Requests worked on at once; above it new ones get 503.', {
      max: 1_000_000,
    }).default(5000),
    header_timeout_ms: milliseconds('Longest wait for a request’s headers.').default(10_000),
    body_idle_timeout_ms: milliseconds('Longest pause while a request body arrives.').default(30_000),
    write_stall_timeout_ms: milliseconds('A client that reads nothing for this long is cut off.').default(
      60_000,
    ),
    keep_alive_timeout_ms: milliseconds('An idle client connection is closed after this.').default(65_000),
    drain_timeout_ms: milliseconds('On SIGTERM, how long running answers may go on.', {
      min: 0,
      max: 3_600_000,
    }).default(30_000),
  })
  .prefault({})
  .describe('Where the gateway listens, and its limits towards clients.');

/** Who may call. */
export const access = z
  .strictObject({
    mode: z
      .enum(['open', 'keys'])
      .optional()
      .describe(
        '`keys`: a virtual key is required. `open`: none is, and a client’s own provider key is forwarded; loopback only. ' +
          'Without it: `open` on loopback while no virtual key exists, else `keys`.',
      ),
    admin_key: secret('The admin key; without it the first start makes one.').optional(),
    max_auth_failures_per_minute: count('Wrong keys from one address before it gets 429.').default(100),
    session_idle_timeout_s: seconds('A portal session ends after this long without use.').default(43_200),
    session_max_age_s: seconds('A portal session ends after this long in any case.').default(604_800),
  })
  .prefault({})
  .describe('Who may call.');

/** Where data is kept. `url` is filled from `data_dir` when absent. */
export const storage = z
  .strictObject({
    data_dir: text('Folder for the database, journal and generated keys; made with mode 700.', 4096).default(
      '~/.sluice',
    ),
    url: z
      .string()
      .regex(/^(sqlite:\S.*|postgres(ql)?:\/\/\S+)$/, 'Write sqlite:PATH or postgres://…')
      .optional()
      .describe('`sqlite:PATH` or `postgres://…`. Without it: `sqlite:` and `sluice.db` in `data_dir`.'),
    sync: z
      .enum(['normal', 'full'])
      .default('normal')
      .describe(
        '`normal` survives a killed process; `full` also a power loss, at the price of a disk flush.',
      ),
    batch_max_rows: count('Rows written in one transaction.', { max: 100_000 }).default(500),
    batch_max_wait_ms: milliseconds('Longest wait before a batch is written.', { max: 60_000 }).default(20),
    buffer_max_mb: count('Rows waiting to be written; above it content is dropped first. Megabytes.', {
      max: 65_536,
    }).default(64),
  })
  .transform((given) => ({ ...given, url: given.url ?? `sqlite:${given.data_dir}/sluice.db` }))
  .prefault({})
  .describe('Where data is kept.');

/** Counters, cache and events shared by several nodes. */
export const sharedState = z
  .strictObject({
    url: z
      .string()
      .regex(/^rediss?:\/\/\S+$/, 'Write redis://… or rediss://…')
      .describe('`redis://…` or `rediss://…`.'),
    operation_timeout_ms: milliseconds('Hard deadline of one operation.', { max: 10_000 }).default(50),
    failures: count('Failed operations in a row before it is left alone for a while.').default(5),
    retry_after_ms: milliseconds('How long it is left alone.').default(1000),
    when_unavailable: z
      .enum(['local_share', 'refuse'])
      .default('local_share')
      .describe(
        '`local_share`: each node enforces its share of a limit (limit ÷ nodes). `refuse`: answer 503.',
      ),
    nodes: count('How many nodes share it.', { max: 10_000 }).default(1),
  })
  .optional()
  .describe('Redis, for counters, cache and events shared by several nodes.');

/** What is logged, and for how long. */
export const log = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('Least important operational line that is written.'),
    content: z
      .enum(['none', 'metadata', 'full'])
      .default('metadata')
      .describe(
        'What the exchange log keeps: nothing but counts, facts about the call, or prompts and answers too.',
      ),
    retention_days: count('Exchanges older than this are deleted. Days.', { max: 36_500 }).default(30),
    max_mb: count('The log’s size; the oldest rows go first. Megabytes.', { max: 10_000_000 }).default(2048),
    hourly_usage_days: count('Spend by hour that is older is kept by day. Days.', { max: 36_500 }).default(
      400,
    ),
    daily_usage_days: count('Spend by day that is older is deleted. Days.', { max: 36_500 }).default(3650),
    max_content_kb: count('Prompt and answer kept of one exchange with `content: full`. Kilobytes.', {
      max: 1_048_576,
    }).default(256),
  })
  .prefault({})
  .describe('What is logged, and for how long.');

/** Metrics and traces. */
export const telemetry = z
  .strictObject({
    prometheus: z.boolean().default(true).describe('Serve `/metrics`.'),
    otlp_endpoint: z
      .string()
      .regex(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'Write an http:// or https:// URL without credentials.')
      .optional()
      .describe('OTLP/HTTP endpoint for traces and metrics, for example http://127.0.0.1:4318.'),
    otlp_headers: z
      .record(
        z.string().min(1).max(128),
        z.string().max(8192).meta({ description: 'The value sent.', writeOnly: true }),
      )
      .default({})
      .describe('Headers sent to the OTLP endpoint.'),
    service_name: text('`service.name` of traces and metrics.', 128).default('sluice'),
    sample_percent: z
      .number()
      .min(0)
      .max(100)
      .default(10)
      .describe('Share of requests traced. Percent, 0 to 100.'),
    content: z.boolean().default(false).describe('Put prompts and answers into traces.'),
    max_queue_spans: count('Spans waiting to be sent; above it they are dropped and counted.').default(2048),
    export_timeout_ms: milliseconds('Deadline of one export.').default(10_000),
  })
  .prefault({})
  .describe('Metrics and traces.');
