/** Four digits after the point: shares, rates and e-values as reports show them. */
export function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
