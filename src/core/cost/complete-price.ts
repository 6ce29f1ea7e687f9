import { SluiceError } from '../errors/error.ts';
import type { Rates } from './cost.ts';
import type { Price } from './price.ts';

/** A price as catalogs and operators write it: only the classes they know, in pico-dollars per token. */
export type PartialPrice = { readonly [K in keyof Rates]?: number | undefined } & {
  readonly tiers?: readonly {
    readonly above: number;
    readonly rates: { readonly [K in keyof Rates]?: number | undefined };
  }[];
};

/**
 * Fills in the classes a price does not name, so that nothing billed is ever counted as free:
 *
 * - `input` absent: the `output` rate, or 0 when the model is sold by the image, request, character or second
 * - `output` absent: the `input` rate (embedding models produce none)
 * - `cacheRead` absent: the full `input` rate; a vendor without a cache discount charges just that
 * - `cacheWrite5m` absent: `input`; for the `claude` family 1.25 × `input`
 * - `cacheWrite1h` absent: as `cacheWrite5m`; for the `claude` family 2 × `input`
 *   (source of both factors: Anthropic's documentation, "Prompt caching", section "Pricing")
 * - `audioInput` and `audioOutput` absent: `input` and `output`
 * - `image` and `request` absent: 0, they are extra fees; so are `character`, `audioSecond` and `webSearch`, which stay absent
 *
 * In a tier, a class absent there but named in the base keeps the base's rate; the others are derived within the tier.
 * @throws SluiceError `price_unknown` when there is neither a token rate nor a fee, or a rate is no integer ≥ 0
 */
export function completePrice(partial: PartialPrice, family?: 'claude' | undefined): Price {
  const { tiers, ...base } = partial;
  const complete = completeRates(base, family);
  if (tiers === undefined || tiers.length === 0) {
    return complete;
  }
  return {
    ...complete,
    tiers: [...tiers]
      .sort((left, right) => left.above - right.above)
      .map((tier) => ({
        above: tier.above,
        rates: completeRates({ ...base, ...named(tier.rates) }, family),
      })),
  };
}

/** US dollars per million tokens, as vendors print them, in pico-dollars per token. Exact to six decimals. */
export function picoPerToken(usdPerMillionTokens: number): number {
  const pico = Math.round(usdPerMillionTokens * 1e6);
  if (!Number.isSafeInteger(pico) || pico < 0) {
    throw new SluiceError('price_unknown', 'A price must be a number of US dollars of at least 0.');
  }
  return pico;
}

/** US dollars per minute, as vendors print them, in pico-dollars per second, rounded up. `undefined` for none. */
export function perSecond(usdPerMinute: number | string | undefined): number | undefined {
  return usdPerMinute === undefined ? undefined : Math.ceil(picoPerToken(Number(usdPerMinute) * 1e6) / 60);
}

type SomeRates = { readonly [K in keyof Rates]?: number | undefined };

/** Only the classes that carry a value, so that a spread does not clear the base's. */
function named(rates: SomeRates): SomeRates {
  return Object.fromEntries(Object.entries(rates).filter(([, rate]) => rate !== undefined));
}

function completeRates(rates: SomeRates, family: 'claude' | undefined): Rates {
  for (const [name, rate] of Object.entries(rates)) {
    if (rate !== undefined && !(Number.isSafeInteger(rate) && rate >= 0)) {
      throw new SluiceError('price_unknown', `The rate ${name} must be a whole number of pico-dollars.`);
    }
  }
  const fee = rates.image ?? rates.request ?? rates.character ?? rates.audioSecond;
  const input = rates.input ?? rates.output ?? (fee === undefined ? undefined : 0);
  if (input === undefined) {
    throw new SluiceError(
      'price_unknown',
      'A price needs an input or output rate, or a fee per image, request, character or second.',
    );
  }
  const output = rates.output ?? input;
  const isClaude = family === 'claude';
  const cacheWrite5m = rates.cacheWrite5m ?? (isClaude ? Math.round(input * 1.25) : input);
  return {
    input,
    output,
    cacheRead: rates.cacheRead ?? input,
    cacheWrite5m,
    cacheWrite1h: rates.cacheWrite1h ?? (isClaude ? input * 2 : cacheWrite5m),
    audioInput: rates.audioInput ?? input,
    audioOutput: rates.audioOutput ?? output,
    image: rates.image ?? 0,
    request: rates.request ?? 0,
    ...(rates.character === undefined ? {} : { character: rates.character }),
    ...(rates.audioSecond === undefined ? {} : { audioSecond: rates.audioSecond }),
    ...(rates.webSearch === undefined ? {} : { webSearch: rates.webSearch }),
  };
}
