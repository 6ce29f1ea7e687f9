import { badRequest } from '../errors/error.ts';

const NANO_PER_USD = 1_000_000_000n;
const DECIMAL = /^(\d{1,7})(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?$/;

/**
 * Nano-dollars as a decimal string of US dollars, without trailing zeros: 1_500_000_000 is `1.5`, 1 is `0.000000001`.
 * Accepts negative amounts. Throws RangeError for a number that is no integer.
 */
export function nanoToUsd(nano: number | bigint): string {
  const amount = BigInt(nano);
  const absolute = amount < 0n ? -amount : amount;
  const fraction = (absolute % NANO_PER_USD).toString().padStart(9, '0').replace(/0+$/, '');
  const whole = (absolute / NANO_PER_USD).toString();
  return `${amount < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/**
 * US dollars, a decimal string or a JSON number, as exact nano-dollars. `field` names the value in the error.
 * @throws SluiceError `bad_request` for a sign, anything but digits, more than nine decimals, or 9 million and more
 */
export function usdToNano(usd: string | number, field = 'usd'): number {
  const match = DECIMAL.exec(String(usd));
  if (match === null) {
    throw badRequest(field, `${field} must be an amount of US dollars such as 12.5, from 0 to 9 million.`);
  }
  const [, whole = '', decimals = '', exponent = '0'] = match;
  // value = digits × 10^(exponent - decimals); in nano-dollars nine more.
  const shift = 9 + Number(exponent) - decimals.length;
  const digits = BigInt(whole + decimals);
  const scale = 10n ** BigInt(Math.abs(shift));
  const nano = shift >= 0 ? digits * scale : digits / scale;
  if (shift < 0 && nano * scale !== digits) {
    throw badRequest(field, `${field} has more than nine decimals; a nano-dollar is the smallest unit.`);
  }
  if (nano > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw badRequest(field, `${field} is too large; the most is 9 million US dollars.`);
  }
  return Number(nano);
}
