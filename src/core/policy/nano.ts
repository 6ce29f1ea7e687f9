/** A lawful amount of nano-dollars: whole, not negative, safe. */
export function amountOf(nano: number): number {
  return nano > 0 ? Math.min(Math.ceil(nano), Number.MAX_SAFE_INTEGER) : 0;
}

/** A sum that stays safe. */
export function add(left: number, right: number): number {
  return Math.min(left + right, Number.MAX_SAFE_INTEGER);
}
