// Numbers made of many numbers.
import { loadavg } from 'node:os';

/** Of what was measured; `undefined` when nothing was. */
export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value that so large a share of the values is no larger than (nearest rank); `undefined` of nothing. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))];
}

export function round(value, digits = 1) {
  return Number(value.toFixed(digits));
}

/** Load average of the last minute: what stands beside every figure. */
export const load = () => round(loadavg()[0]);
