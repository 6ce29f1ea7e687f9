import type { Price, PriceSnapshot } from '../../core/cost/price.ts';

/** Deployments share a snapshot of their price, so its text is made once per object. */
const priceTexts = new WeakMap<PriceSnapshot, string>();

/** A price as text; `decodePrice` reads it. */
export function priceText(snapshot: PriceSnapshot): string {
  let text = priceTexts.get(snapshot);
  if (text === undefined) {
    const { price, source, asOf, terms } = snapshot;
    const values = [source, asOf, rateValues(price), price.tiers?.map(tierValues)];
    text = JSON.stringify(terms === undefined ? values : [...values, terms]);
    priceTexts.set(snapshot, text);
  }
  return text;
}

type Rates = Omit<Price, 'tiers' | 'terms'>;

function tierValues({ above, rates }: { readonly above: number; readonly rates: Rates }) {
  return [above, rateValues(rates)];
}

function rateValues(rates: Rates): number[] {
  const { input, cacheRead, cacheWrite5m, cacheWrite1h, output, audioInput, audioOutput, image, request } =
    rates;
  const { character, audioSecond, webSearch } = rates;
  const values = [
    input,
    cacheRead,
    cacheWrite5m,
    cacheWrite1h,
    output,
    audioInput,
    audioOutput,
    image,
    request,
  ];
  return character === undefined && audioSecond === undefined && webSearch === undefined
    ? values
    : [...values, character ?? 0, audioSecond ?? 0, webSearch ?? 0];
}

function ratesOf(values: readonly number[]): Rates {
  const [
    input = 0,
    cacheRead = 0,
    cacheWrite5m = 0,
    cacheWrite1h = 0,
    output = 0,
    audioInput = 0,
    audioOutput = 0,
  ] = values;
  const [image = 0, request = 0, character = 0, audioSecond = 0, webSearch = 0] = values.slice(7);
  return {
    ...{ input, cacheRead, cacheWrite5m, cacheWrite1h, output, audioInput, audioOutput, image, request },
    ...(character === 0 ? {} : { character }),
    ...(audioSecond === 0 ? {} : { audioSecond }),
    ...(webSearch === 0 ? {} : { webSearch }),
  };
}

/** Throws `SyntaxError` for text that is not ours. */
export function decodePrice(text: string): PriceSnapshot {
  const [source, asOf, values, tiers, terms] = JSON.parse(text) as [
    PriceSnapshot['source'],
    string,
    number[],
    [number, number[]][] | null,
    string[]?,
  ];
  const decoded = tiers?.map(([above, rates]) => ({ above, rates: ratesOf(rates) }));
  return {
    price: { ...ratesOf(values), ...(decoded === undefined ? {} : { tiers: decoded }) },
    source,
    asOf,
    ...(terms === undefined ? {} : { terms }),
  };
}
