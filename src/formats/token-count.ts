import { toNumber } from '../core/model/parse-json.ts';

/** No model reads or writes more in one call; a larger figure is an upstream's mistake, and nobody shall pay for it. */
const MAX_TOKENS = 10_000_000;

/**
 * A token count as an upstream reports it, or `undefined` for anything that cannot be one: text, a fraction, a negative or
 * absurd number. Tokens that are not believably reported are counted by us (RELIABILITY F13).
 */
export function tokenCount(value: unknown): number | undefined {
  const number = measure(value);
  return number !== undefined && Number.isInteger(number) ? number : undefined;
}

/** The same for what need not be whole: seconds of sound, or the counts of vendors who give fractions. */
export function measure(value: unknown): number | undefined {
  const number = toNumber(value);
  return typeof number === 'number' && number >= 0 && number <= MAX_TOKENS ? number : undefined;
}
