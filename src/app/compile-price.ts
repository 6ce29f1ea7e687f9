import { completePrice, perSecond, picoPerToken } from '../core/cost/complete-price.ts';
import type { PriceSnapshot } from '../core/cost/price.ts';
import type { ConfiguredProvider } from '../pipeline/runtime.ts';
import type { CompileInput } from './compile.ts';
import type { PriceConfig } from './config/index.ts';

type PriceInput = Pick<CompileInput, 'catalog' | 'demo' | 'now' | 'overrides'>;

interface PricedModel {
  readonly provider: ConfiguredProvider;
  readonly model: string;
}

/** A price from the configuration over what the catalog knows, class by class. */
function configPrice(given: PriceConfig, base: PriceSnapshot | undefined, now: number): PriceSnapshot {
  const rate = (usd: number | string | undefined): number | undefined =>
    usd === undefined ? undefined : picoPerToken(Number(usd));
  const own = {
    input: rate(given.input_usd_per_mtok),
    output: rate(given.output_usd_per_mtok),
    cacheRead: rate(given.cache_read_usd_per_mtok),
    cacheWrite5m: rate(given.cache_write_usd_per_mtok),
    cacheWrite1h: rate(given.cache_write_1h_usd_per_mtok),
    audioInput: rate(given.audio_input_usd_per_mtok),
    audioOutput: rate(given.audio_output_usd_per_mtok),
    character: rate(given.input_usd_per_mchar),
    audioSecond: perSecond(given.audio_usd_per_minute),
    image: given.image_usd === undefined ? undefined : picoPerToken(Number(given.image_usd) * 1e6),
    webSearch:
      given.web_search_usd === undefined ? undefined : picoPerToken(Number(given.web_search_usd) * 1e6),
    request: given.request_usd === undefined ? undefined : picoPerToken(Number(given.request_usd) * 1e6),
  };
  // Both token rates given: the file speaks for the whole price, and the catalog's tiers no longer apply.
  const whole = own.input !== undefined && own.output !== undefined;
  const known = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  const price = completePrice(whole || base === undefined ? known : { ...base.price, ...known });
  return { price, source: 'config', asOf: new Date(now).toISOString() };
}

/** What simulated answers pretend to cost, so that budgets and reports can be tried in demo mode. Nobody is billed. */
const SIMULATED_PRICE: PriceSnapshot = {
  price: completePrice({ input: picoPerToken(0.15), output: picoPerToken(0.6) }),
  source: 'catalog',
  asOf: 'simulated',
};

/** The price of a deployment, and what its vendor's terms do to it whoever states it. */
export function compilePrice(
  input: PriceInput,
  wish: PricedModel,
  given: PriceConfig | undefined,
): PriceSnapshot | undefined {
  const { provider, model } = wish;
  const snapshot = statedPrice(input, wish, given);
  const terms = input.catalog.terms(provider.vendor.catalogId ?? provider.vendor.id, model);
  return snapshot === undefined || terms === undefined
    ? snapshot
    : { ...snapshot, price: { ...snapshot.price, terms } };
}

function statedPrice(
  input: PriceInput,
  wish: PricedModel,
  given: PriceConfig | undefined,
): PriceSnapshot | undefined {
  const { provider, model } = wish;
  const override = input.overrides.get(`${provider.name}/${model}`) ?? input.overrides.get(model);
  if (override !== undefined) return override;
  if (provider.vendor.id === input.demo?.vendor.id) return SIMULATED_PRICE;
  const listed = input.catalog.price(provider.vendor.catalogId ?? provider.vendor.id, model, input.now);
  const catalog: PriceSnapshot | undefined =
    listed === undefined ? undefined : { price: listed.price, source: 'catalog', asOf: listed.asOf };
  return given === undefined ? catalog : configPrice(given, catalog, input.now);
}
