import { z } from 'zod';
import { DAY_MS } from '../../../core/durations.ts';

/** Bounds and default of a number. */
interface Range {
  readonly min?: number;
  readonly max?: number;
}

const YEAR_S = 31_536_000;

/** A duration in whole milliseconds, at most a day. */
export function milliseconds(about: string, range: Range = {}): z.ZodInt {
  return z
    .int()
    .min(range.min ?? 1)
    .max(range.max ?? DAY_MS)
    .describe(`${about} Milliseconds.`);
}

/** A duration in whole seconds, at most a year. */
export function seconds(about: string, range: Range = {}): z.ZodInt {
  return z
    .int()
    .min(range.min ?? 1)
    .max(range.max ?? YEAR_S)
    .describe(`${about} Seconds.`);
}

/** A whole number with bounds. */
export function count(about: string, range: Range = {}): z.ZodInt {
  return z
    .int()
    .min(range.min ?? 1)
    .max(range.max ?? 1_000_000_000)
    .describe(about);
}

/** A share from 0 to 100. */
export function percent(about: string): z.ZodNumber {
  return z.number().min(0).max(100).describe(`${about} Percent, 0 to 100.`);
}

/** Text that is not empty. */
export function text(about: string, maxLength = 1024): z.ZodString {
  return z.string().min(1).max(maxLength).describe(about);
}

/**
 * A secret. JSON Schema's `writeOnly` marks it; `maskSecrets` reads that mark, so a secret is declared once, here.
 */
export function secret(about: string): z.ZodString {
  return z
    .string()
    .min(1)
    .max(16_384)
    .meta({
      description: `${about} Write it as \`\${NAME}\` to take it from the environment.`,
      writeOnly: true,
    });
}

/**
 * US dollars: a number, or a decimal string with up to nine digits after the point, which is exact to the nano-dollar.
 */
export function dollars(about: string) {
  return z
    .union([
      z.number().min(0).max(1_000_000_000),
      z.string().regex(/^\d{1,9}(\.\d{1,9})?$/, 'Write a decimal number of US dollars, for example "12.50".'),
    ])
    .describe(`${about} US dollars: a number or a decimal string such as "12.50".`);
}

/** What providers and teams may be called: lower case, without a slash, since `provider/model` is a model name. */
export const PROVIDER_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** What models and routers may be called; `*` makes a model's name a pattern. */
export const MODEL_NAME = /^[A-Za-z0-9*@][A-Za-z0-9._:/@*+~=,-]{0,255}$/;

/** The name of a model as a value: a configured model, `provider/model` or a name of the catalog. */
export function modelReference(about: string): z.ZodString {
  return z
    .string()
    .regex(MODEL_NAME, 'Write a model name: letters, digits and . _ : / @ + -')
    .describe(about);
}

/** The name of a provider as a value. */
export function providerReference(about: string): z.ZodString {
  return z
    .string()
    .regex(PROVIDER_NAME, 'Write a provider name: lower-case letters, digits and . _ -')
    .describe(about);
}

/** HTTP header names to values; values are treated as secrets. */
export function headerMap(about: string) {
  return z
    .record(
      z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'Write an HTTP header name.'),
      z
        .string()
        .max(8192)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'A header value holds no line breaks or control characters.')
        .meta({ description: 'The value sent.', writeOnly: true }),
    )
    .describe(about);
}

/** Free facts kept with a key or team. */
export const metadata = z
  .record(z.string().min(1).max(128), z.union([z.string().max(1024), z.number(), z.boolean()]))
  .describe('Free facts kept with it; not read by the gateway.');
