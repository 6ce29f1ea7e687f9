import { z } from 'zod';

const RATE = 'a number of US dollars from 0 to 1000000 with at most six decimals';
/** Exact to six decimals: what would be rounded to nothing is no price. */
const usdRate = z
  .union([z.number(), z.string().max(30)], RATE)
  .refine((given) => /^\d{1,7}(\.\d{1,6})?$/.test(typeof given === 'string' ? given : plain(given)), RATE);

/** A number without an exponent, as a decimal text. */
function plain(value: number): string {
  const text = String(value);
  return /e-/.test(text) ? value.toFixed(20).replace(/0+$/, '') : text;
}

/** A price in US dollars per million tokens, as in the configuration; of sound also per million characters and per minute. */
export const priceInput = z.strictObject({
  input_usd_per_mtok: usdRate,
  output_usd_per_mtok: usdRate,
  input_usd_per_mchar: usdRate.optional().meta({ description: 'Per million characters to be spoken' }),
  audio_usd_per_minute: usdRate.optional().meta({ description: 'Per minute of sound to be transcribed' }),
  cache_read_usd_per_mtok: usdRate.optional(),
  cache_write_usd_per_mtok: usdRate.optional(),
});
