import { DAY_MS, HOUR_MS } from '../durations.ts';

const WINDOW_MS = 60_000;
/** Longest pause of a name that goes on failing. */
const LONGEST_MS = HOUR_MS;
/** A name that was left alone for this long begins anew. */
const FORGET_MS = DAY_MS;

/** What is known of a name; times are milliseconds of the machine's monotonic clock. */
export interface Attempts {
  readonly count: number;
  readonly endsAt: number;
  /** Windows in a row in which there were too many. */
  readonly strikes: number;
}

/** How many attempts a name has in a minute. */
export interface AttemptRule {
  readonly limit: number;
  /** Each time there were too many, the pause is twice as long, up to an hour. */
  readonly escalates: boolean;
}

/** One attempt more, and how long to wait before it; 0 lets it through. What is refused already changes nothing. */
export function nextAttempt(
  before: Attempts | undefined,
  { limit, escalates }: AttemptRule,
  now: number,
): { readonly attempts: Attempts; readonly waitMs: number } {
  // The clock began anew with the machine: what ends later than any pause is from before.
  const known = before !== undefined && before.endsAt - now > LONGEST_MS ? undefined : before;
  if (known === undefined || known.endsAt <= now) {
    const strikes = known === undefined || known.endsAt + FORGET_MS <= now ? 0 : known.strikes;
    return { attempts: { count: 1, endsAt: now + WINDOW_MS, strikes }, waitMs: 0 };
  }
  if (known.count > limit) return { attempts: known, waitMs: known.endsAt - now };
  const count = known.count + 1;
  if (count <= limit) return { attempts: { ...known, count }, waitMs: 0 };
  const { strikes } = known;
  if (!escalates) return { attempts: { ...known, count }, waitMs: known.endsAt - now };
  const endsAt = now + Math.min(LONGEST_MS, WINDOW_MS * 2 ** strikes);
  return { attempts: { count, endsAt, strikes: strikes + 1 }, waitMs: endsAt - now };
}

/** Whether nothing of it matters any more. */
export function isForgotten({ endsAt, strikes }: Attempts, now: number): boolean {
  const kept = strikes > 0 ? FORGET_MS : 0;
  return endsAt + kept <= now || endsAt - now > LONGEST_MS;
}
