const SHOWN_DIGITS = 6;
const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/**
 * US dollars as the API gives them, a decimal string, shortened to at most six significant digits for reading. Whole
 * dollars are never cut. Works on the digits alone: no floating point. Anything that is no decimal comes back as it is.
 */
export function formatUsd(usd: string): string {
  const match = DECIMAL.exec(usd);
  if (match === null) return usd;
  const [, sign = '', whole = '0', fraction = ''] = match;
  const leadingZeros = whole === '0' ? (/^0*/.exec(fraction)?.[0].length ?? 0) : 0;
  const wholeDigits = whole === '0' ? 0 : whole.length;
  const kept = Math.max(0, SHOWN_DIGITS - wholeDigits) + leadingZeros;
  const rounded = roundTo(whole, fraction, kept);
  return `${sign}$${group(rounded.whole)}${decimals(rounded.fraction)}`;
}

function roundTo(whole: string, fraction: string, places: number): { whole: string; fraction: string } {
  if (fraction.length <= places) return { whole, fraction };
  const kept = BigInt(whole + fraction.slice(0, places));
  const rounded = (fraction[places] ?? '0') >= '5' ? kept + 1n : kept;
  const digits = rounded.toString().padStart(places + 1, '0');
  return {
    whole: digits.slice(0, digits.length - places),
    fraction: digits.slice(digits.length - places),
  };
}

/** Without trailing zeros, but never a single digit of cents: `$0.5` reads as a typing mistake, `$0.50` as money. */
function decimals(fraction: string): string {
  const short = fraction.replace(/0+$/, '');
  return short === '' ? '' : `.${short.padEnd(2, '0')}`;
}

function group(whole: string): string {
  return whole.replaceAll(/\B(?=(\d{3})+$)/g, ',');
}

const COUNT = new Intl.NumberFormat('en-US');
const SHORT_COUNT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

/** An exact count with thousands separators. */
export function formatCount(value: number): string {
  return COUNT.format(value);
}

/** A count for tiles: exact below 10,000, then `12.3K`, `4.5M`. */
export function formatShortCount(value: number): string {
  return value < 10_000 ? COUNT.format(value) : SHORT_COUNT.format(value);
}

/** Milliseconds for reading: `0.8 ms`, `312 ms`, `4.21 s`, `2 min 5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Seconds of running for reading: the two largest units. */
export function formatUptime(seconds: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return 'just now';
  let rest = seconds;
  return units
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count === 0 ? '' : `${count} ${unit}`;
    })
    .filter((part) => part !== '')
    .join(' ');
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const FULL = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** A moment in the reader's time zone: the clock if it lies on the day of `now`, else day and clock. */
export function formatMoment(rfc3339: string, now: Date): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return rfc3339;
  const clock = CLOCK.format(at);
  return at.toDateString() === now.toDateString() ? clock : `${DAY.format(at)}, ${clock.slice(0, 5)}`;
}

/** A moment in the reader's time zone, in full. */
export function formatFullMoment(rfc3339: string): string {
  const at = new Date(rfc3339);
  return Number.isNaN(at.getTime()) ? rfc3339 : FULL.format(at);
}

/** One noun with its count: `1 model`, `3 models`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Share of a limit that is used, 0 to 100, for the length of a bar only. */
export function percentOf(part: string, whole: string): number {
  const limit = Number(whole);
  if (!(limit > 0)) return Number(part) > 0 ? 100 : 0;
  return Math.min(100, Math.max(0, (Number(part) / limit) * 100));
}
