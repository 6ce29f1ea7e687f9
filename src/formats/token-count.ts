import { toNumber } from '../core/model/parse-json.ts';

/** No model reads or writes more in one call; a larger figure is an upstream's mistake, and nobody shall pay for it. */
const MAX_TOKENS = 10_000_000;

/**
 * A token count as an upstream reports it, or `undefined` for anything that cannot be one: text, a fraction, a negative or
 * absurd number. Tokens that are not believably reported are counted by us (RELIABILITY F13).
 */
export function tokenCount(value: unknown): number | undefined {
  const number = toNumber(value);
  if (typeof number !== 'number' || !Number.isInteger(number)) return undefined;
  return number >= 0 && number <= MAX_TOKENS ? number : undefined;
}
