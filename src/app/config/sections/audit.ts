import { z } from 'zod';
import { count, milliseconds, secret, text } from './scalars.ts';

const common = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'Name a sink with lower-case letters, digits and . _ -')
    .describe('Name of the sink; what was sent is remembered under it.'),
  allow_private_network: z
    .boolean()
    .default(false)
    .describe('Allow loopback and private addresses; a loopback address written here is allowed by itself.'),
  batch_size: count('Entries sent at once.', { max: 500 }).default(100),
  timeout_ms: milliseconds('Longest wait for the sink.', { max: 60_000 }).default(10_000),
};

const syslog = z
  .strictObject({
    type: z.literal('syslog').describe('RFC 5424 messages.'),
    ...common,
    host: text('Host name or IP address.', 255),
    port: count('Port.', { max: 65_535 }).default(514),
    transport: z
      .enum(['tcp', 'tls', 'udp'])
      .default('tcp')
      .describe('`tcp` and `tls` count octets (RFC 6587, RFC 5425); `udp` may lose entries.'),
    ca_file: text('Certificates to trust with `tls`, as PEM; the system’s when absent.', 4096).optional(),
    format: z.enum(['json', 'cef']).default('json').describe('How the message itself is written.'),
    facility: count('Syslog facility; 13 is log audit.', { min: 0, max: 23 }).default(13),
  })
  .describe('A syslog server.');

const https = z
  .strictObject({
    type: z.literal('https').describe('JSON lines in POST requests.'),
    ...common,
    url: z
      .string()
      .regex(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'Write an https:// URL without credentials.')
      .describe('Where entries are posted. http:// is for this machine only.'),
    ca_file: text('Certificates to trust, as PEM; the system’s when absent.', 4096).optional(),
    secret: secret('Key of the HMAC-SHA256 in `x-sluice-signature`.').optional(),
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'Write an HTTP header name.'),
        z.string().max(8192).meta({ description: 'The value sent.', writeOnly: true }),
      )
      .default({})
      .describe('Headers sent with every request, for example a collector’s token.'),
  })
  .describe('A collector that takes POST requests.');

/** Where the audit log is sent. */
export const audit = z
  .strictObject({
    sinks: z
      .array(z.discriminatedUnion('type', [syslog, https]))
      .max(16)
      .default([])
      .describe('Every entry is sent to each of them, in order, and again until it was taken.'),
  })
  .prefault({})
  .describe('The audit log.');
