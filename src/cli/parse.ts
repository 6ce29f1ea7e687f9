import { badUsage } from './failure.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Longest duration taken: ten years. */
const MAX_DURATION_MS = 3650 * 86_400_000;

/** A duration such as `90s`, `30m`, `1h`, `30d`, `2w` or `1h30m`, in milliseconds. Throws `bad_usage`. */
export function parseDuration(text: string, option: string): number {
  const parts = [...text.trim().matchAll(/(\d{1,9}(?:\.\d{1,3})?)(ms|min|s|m|h|d|w)/g)];
  const whole = parts.map((part) => part[0]).join('');
  if (parts.length === 0 || whole !== text.trim()) {
    throw badUsage(`${option} takes a duration such as 90s, 30m, 1h or 30d, not "${text}".`);
  }
  const sum = parts.reduce((total, [, count, unit]) => total + Number(count) * (UNIT_MS[unit ?? ''] ?? 0), 0);
  if (sum > MAX_DURATION_MS) throw badUsage(`${option} takes at most ten years.`);
  return Math.round(sum);
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/** A calendar day that exists: `Date.parse` takes 2026-02-30 for the second of March. */
function isRealDay(day: string): boolean {
  const at = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day);
}

/**
 * A point in time as RFC 3339 in UTC: a day (its beginning in UTC), an RFC 3339 time, or a duration away from `now` in
 * the given direction. Throws `bad_usage`.
 */
export function parseMoment(
  text: string,
  option: string,
  reference: { readonly now: number; readonly direction: 'past' | 'future' },
): string {
  const given = text.trim();
  if (DAY.test(given) && isRealDay(given)) return `${given}T00:00:00.000Z`;
  if (INSTANT.test(given) && isRealDay(given.slice(0, 10)) && !Number.isNaN(Date.parse(given))) {
    return new Date(given).toISOString();
  }
  if (/^\d+(\.\d+)?[a-z]/.test(given)) {
    const span = parseDuration(given, option);
    return new Date(reference.now + (reference.direction === 'future' ? span : -span)).toISOString();
  }
  throw badUsage(`${option} takes a duration such as 30d, a day such as 2026-01-31, or an RFC 3339 time.`);
}

/** A whole number within bounds. Throws `bad_usage`. */
export function parseCount(
  text: string,
  option: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = /^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= bounds.min && value <= bounds.max)) {
    throw badUsage(`${option} takes a whole number from ${bounds.min} to ${bounds.max}, not "${text}".`);
  }
  return value;
}

/** A TCP port, 0 for any free one. Throws `bad_usage`. */
export function parsePort(text: string): number {
  return parseCount(text, '--port', { min: 0, max: 65_535 });
}

/** An amount of US dollars, kept as written: no floating point comes near it. Throws `bad_usage`. */
export function parseUsd(text: string, option: string): string {
  const given = text.trim().replace(/^\$/, '');
  if (!/^\d{1,7}(\.\d{1,9})?$/.test(given)) {
    throw badUsage(`${option} takes an amount of US dollars such as 25 or 0.50, not "${text}".`);
  }
  return given;
}

/** One of a few words. Throws `bad_usage`. */
export function parseChoice<Word extends string>(text: string, option: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text.trim());
  if (found === undefined) throw badUsage(`${option} takes ${words.join(', ')}, not "${text}".`);
  return found;
}

/** Words between commas, without empty ones. */
export function parseList(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
