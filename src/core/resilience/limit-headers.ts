import { DAY_MS, HOUR_MS, MINUTE_MS } from '../durations.ts';

/** What an allowance counts. `tokens`: prompt and answer together. */
export type LimitKind = 'requests' | 'tokens' | 'input' | 'output';

/** One allowance as an upstream's headers tell it. */
export interface Allowance {
  readonly kind: LimitKind;
  /** Which of several: the name of the header that told what remains. */
  readonly name: string;
  readonly limit: number | undefined;
  readonly remaining: number;
  /** Until the whole limit is there again. Milliseconds. */
  readonly resetMs: number;
}

/** What an answer said about the account's limits. */
export type ToldLimits = readonly Allowance[];

type Headers = Readonly<Record<string, string>>;

/** Names of the headers of one allowance. */
interface Spelling {
  readonly kind: LimitKind;
  readonly limit: string;
  readonly remaining: string;
  readonly reset?: string;
  /** Length of the window in seconds, told by a header. */
  readonly window?: string;
  /** Length of the window where no reset is told. */
  readonly windowMs: number;
}

function spelled(kind: LimitKind, limit: string, remaining: string, windowMs = MINUTE_MS): Spelling {
  return { kind, limit, remaining, windowMs };
}

/** `x-ratelimit-{limit,remaining,reset}-NAME` (OpenAI and most others); Azure adds the window's length. */
function common(kind: LimitKind, name: string): Spelling {
  return {
    ...spelled(kind, `x-ratelimit-limit-${name}`, `x-ratelimit-remaining-${name}`),
    reset: `x-ratelimit-reset-${name}`,
    window: `x-ratelimit-renewalperiod-${name}`,
  };
}

/** `anthropic-ratelimit-NAME-{limit,remaining,reset}`. */
function anthropic(kind: LimitKind, name: string): Spelling {
  const stem = `anthropic-ratelimit-${name}`;
  return { ...spelled(kind, `${stem}-limit`, `${stem}-remaining`), reset: `${stem}-reset` };
}

/** As the vendors document or send them; all that we have recordings of are checked against those. */
const SPELLINGS: readonly Spelling[] = [
  common('requests', 'requests'),
  common('tokens', 'tokens'),
  anthropic('requests', 'requests'),
  anthropic('tokens', 'tokens'),
  anthropic('input', 'input-tokens'),
  anthropic('output', 'output-tokens'),
  // Mistral.
  common('requests', 'req-minute'),
  spelled('requests', 'x-ratelimit-limit-req-10-second', 'x-ratelimit-remaining-req-10-second', 10_000),
  common('tokens', 'tokens-minute'), // Cerebras, too
  spelled('tokens', 'x-ratelimitbysize-limit-minute', 'x-ratelimitbysize-remaining-minute'),
  // Cerebras.
  common('requests', 'requests-minute'),
  common('requests', 'requests-day'),
  // Fireworks.
  common('input', 'tokens-prompt'),
  common('output', 'tokens-generated'),
  // Together, OpenRouter and the IETF draft count requests without saying so.
  { ...spelled('requests', 'x-ratelimit-limit', 'x-ratelimit-remaining'), reset: 'x-ratelimit-reset' },
  { ...spelled('requests', 'ratelimit-limit', 'ratelimit-remaining'), reset: 'ratelimit-reset' },
  { ...spelled('tokens', 'x-tokenlimit-limit', 'x-tokenlimit-remaining'), reset: 'x-tokenlimit-reset' },
  // Cohere's trial keys.
  spelled('requests', 'x-trial-endpoint-call-limit', 'x-trial-endpoint-call-remaining'),
];

/** Assumed where an upstream tells neither limit nor reset. */
const UNKNOWN_RESET_MS = 1000;
/** Longer resets (daily quotas) are not waited for by these headers: the upstream's own 429 says so better. */
const LONGEST_RESET_MS = 120_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: HOUR_MS, d: DAY_MS };

/** `6m0s`, `120ms`, `1.5` (seconds) or a date, as milliseconds from `wallNow`. */
function resetIn(text: string | undefined, wallNow: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) {
    const number = Number(text);
    // Some tell the second of the epoch (GitHub, OpenRouter in milliseconds), others seconds to go.
    if (number > 1e12) return number - wallNow;
    return number > 1e9 ? number * 1000 - wallNow : number * 1000;
  }
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    let ms = 0;
    for (const [, count = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
      ms += Number(count) * (UNITS[unit] ?? 0);
    }
    return ms;
  }
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at - wallNow;
}

function numberIn(text: string | undefined): number | undefined {
  const number = Number.parseFloat(text ?? '');
  return Number.isFinite(number) && number >= 0 ? number : undefined;
}

function read(headers: Headers, spelling: Spelling, wallNow: number): Allowance | undefined {
  const remaining = numberIn(headers[spelling.remaining]);
  if (remaining === undefined) return undefined;
  const given = numberIn(headers[spelling.limit]);
  const limit = given === undefined || given === 0 ? undefined : given;
  const told = resetIn(spelling.reset === undefined ? undefined : headers[spelling.reset], wallNow);
  let resetMs = told ?? 0;
  // Azure says 0 although something is used; xAI and Mistral say nothing. Their limits fill up again evenly.
  if (resetMs <= 0) {
    const seconds = spelling.window === undefined ? undefined : numberIn(headers[spelling.window]);
    const windowMs = seconds === undefined || seconds === 0 ? spelling.windowMs : seconds * 1000;
    resetMs = limit === undefined ? UNKNOWN_RESET_MS : (windowMs * Math.max(0, limit - remaining)) / limit;
  }
  if (resetMs > LONGEST_RESET_MS) return undefined;
  return { kind: spelling.kind, name: spelling.remaining, limit, remaining, resetMs };
}

/**
 * Reads what an answer's headers (lower-case names) tell about limits, in every spelling known. `wallNow`: milliseconds
 * since 1970, for resets that are dates. `undefined` when nothing is told.
 */
export function readLimitHeaders(headers: Headers, wallNow: number): ToldLimits | undefined {
  let told: Allowance[] | undefined;
  for (const spelling of SPELLINGS) {
    if (headers[spelling.remaining] === undefined) continue;
    const allowance = read(headers, spelling, wallNow);
    if (allowance === undefined) continue;
    told ??= [];
    told.push(allowance);
  }
  return told;
}
