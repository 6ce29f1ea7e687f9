import { DAY_MS, HOUR_MS, WEEK_MS } from '../durations.ts';
import type { BudgetWindow } from './virtual-key.ts';

/** 1970-01-01 was a Thursday; the first Monday came four days later. */
const FIRST_MONDAY_MS = 4 * DAY_MS;
/** No zone is further from UTC; DST moves by less. */
const FAR_MS = 15 * HOUR_MS;

/** How long a rolling window is, milliseconds; a month counts 30 days. `total` does not roll. */
const ROLLING_MS: Readonly<Record<Exclude<BudgetWindow, 'total'>, number>> = {
  hour: HOUR_MS,
  day: DAY_MS,
  week: WEEK_MS,
  month: 30 * DAY_MS,
};

/** Parts a rolling window is summed up from; spend leaves it by at most one part too late, never too early. */
const PARTS = 60;

/** Length of a rolling window, milliseconds; 0 for `total`. */
export function rollingMs({ window }: { readonly window: BudgetWindow }): number {
  return window === 'total' ? 0 : ROLLING_MS[window];
}

/** Length of one of its parts. */
export function partMs(budget: { readonly window: BudgetWindow }): number {
  return rollingMs(budget) / PARTS;
}

/**
 * Start of the calendar window a moment lies in; 0 for `total`. Days, weeks (from Monday) and months follow the clocks of
 * `timeZone` (an IANA name, UTC when absent): a day in which clocks change has 23 or 25 hours. Hours are those of UTC.
 */
export function windowStartOf(window: BudgetWindow, at: number, timeZone?: string): number {
  if (timeZone !== undefined && timeZone !== 'UTC') return zonedStart(window, at, timeZone);
  switch (window) {
    case 'hour':
      return Math.floor(at / HOUR_MS) * HOUR_MS;
    case 'day':
      return Math.floor(at / DAY_MS) * DAY_MS;
    case 'week':
      return Math.floor((at - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS;
    case 'month': {
      const date = new Date(at);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    }
    case 'total':
      return 0;
  }
}

/** End of the calendar window that starts at `start`; undefined for `total`. */
export function windowEndOf(window: BudgetWindow, start: number, timeZone?: string): number | undefined {
  if (window === 'total') return undefined;
  if (window === 'hour') return start + HOUR_MS;
  if (timeZone !== undefined && timeZone !== 'UTC') {
    const { year, month, day } = localDate(start, timeZone);
    if (window === 'month') return startOfDate(Date.UTC(year, month + 1, 1), timeZone);
    return startOfDate(Date.UTC(year, month, day + (window === 'week' ? 7 : 1)), timeZone);
  }
  if (window === 'day') return start + DAY_MS;
  if (window === 'week') return start + WEEK_MS;
  const date = new Date(start);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}

/** Whether this is a time zone the calendar knows. */
export function isTimeZone(name: string): boolean {
  // Offsets such as +02:00 are lawful for Intl and have no daylight saving: nobody means them.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    clockOf(name);
    return true;
  } catch {
    return false;
  }
}

function zonedStart(window: BudgetWindow, at: number, timeZone: string): number {
  if (window === 'total' || window === 'hour') return windowStartOf(window, at);
  const { year, month, day } = localDate(at, timeZone);
  if (window === 'month') return startOfDate(Date.UTC(year, month, 1), timeZone);
  const date = Date.UTC(year, month, day);
  return startOfDate(window === 'week' ? windowStartOf('week', date) : date, timeZone);
}

/** Formatters are slow to make and few. */
const CLOCKS = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = CLOCKS.get(timeZone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    CLOCKS.set(timeZone, clock);
  }
  return clock;
}

/** What clocks show, as if it were UTC, to the second. */
function shownAt(at: number, timeZone: string): number {
  const shown = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of clockOf(timeZone).formatToParts(at)) {
    if (type in shown) shown[type as keyof typeof shown] = Number(value);
  }
  return Date.UTC(shown.year, shown.month - 1, shown.day, shown.hour, shown.minute, shown.second);
}

function localDate(at: number, timeZone: string): { year: number; month: number; day: number } {
  const shown = new Date(shownAt(at, timeZone));
  return { year: shown.getUTCFullYear(), month: shown.getUTCMonth(), day: shown.getUTCDate() };
}

function offsetAt(at: number, timeZone: string): number {
  return shownAt(at, timeZone) - Math.floor(at / 1000) * 1000;
}

/**
 * The first moment of a local date, given as midnight UTC of the same date. Clocks may change at midnight: the day then
 * begins where they first show its date, which is midnight by the offset before or after the change.
 */
function startOfDate(date: number, timeZone: string): number {
  const before = date - offsetAt(date - FAR_MS, timeZone);
  const after = date - offsetAt(date + FAR_MS, timeZone);
  for (const start of [Math.min(before, after), Math.max(before, after)]) {
    if (shownAt(start, timeZone) >= date && shownAt(start - 1000, timeZone) < date) return start;
  }
  return Math.min(before, after);
}
