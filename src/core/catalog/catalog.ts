import { completePrice } from '../cost/complete-price.ts';
import type { Price, PriceTerms } from '../cost/price.ts';
import { type ModelProfile, OPEN_PROFILE } from '../model/index.ts';
import { type CatalogData, type CatalogModel, listedPrice, priceAt, type RawPrice } from './data.ts';
import { indexModels, type ModelIndex } from './match.ts';
import { familyName, lookupNames, MAX_NAME_CHARS } from './names.ts';
import { FREE_PRICE, OVERLAY, type Overlay } from './overlay.ts';

/** A price and where it comes from. */
export interface CatalogPrice {
  readonly price: Price;
  /** The price library's name and version, or the overlay's date. */
  readonly asOf: string;
}

/** A model of a provider, for lists. */
export interface CatalogEntry {
  readonly id: string;
  /** Other names the vendor takes for it, without the id. */
  readonly aliases: readonly string[];
  readonly contextTokens?: number;
  readonly deprecated: boolean;
  /** The catalog knows a price for it. */
  readonly priced: boolean;
}

/** What models can do and cost. Immutable to its users; answers about a name are remembered, up to a bound. */
export interface Catalog {
  /** Capabilities; `OPEN_PROFILE`, with the context window if known, for a model nobody described. */
  profile(providerId: string, model: string): ModelProfile;
  /** The price at a time (milliseconds since 1970); `undefined` if unknown, which is not free. */
  price(providerId: string, model: string, atMs: number): CatalogPrice | undefined;
  /** What service tiers, speeds and places do to a model's price, whoever states it; `undefined`: nothing is known to. */
  terms(providerId: string, model: string): PriceTerms | undefined;
  /** The provider's own models, in no order; empty for one the catalog does not know. */
  entries(providerId: string): Iterable<CatalogEntry>;
  /** The id under which a model is listed: `gpt-4o` for `gpt-4o-2024-08-06`. */
  canonicalId(providerId: string, model: string): string | undefined;
}

/** Remembered names. An attacker's invented names may push the useful ones out, never grow the memory. */
const MAX_REMEMBERED = 4096;

interface Known {
  readonly profile: ModelProfile;
  readonly model: CatalogModel | undefined;
  readonly asOf: string;
  /** Completed prices by price line, so that the same exchange facts are the same objects. */
  readonly prices: Map<RawPrice, CatalogPrice | undefined>;
}

interface Found {
  readonly model: CatalogModel;
  readonly asOf: string;
}

/** Reads the generated file's text; the caller does the I/O. Throws `SyntaxError` on a damaged file. */
export function parseCatalog(text: string): CatalogData {
  return JSON.parse(text) as CatalogData;
}

/**
 * Makes a catalog. Costs nothing until a provider is first asked about: its index is built then. `data` is the parsed
 * `catalog.generated.json`.
 */
export function createCatalog(data: CatalogData, overlay: Overlay = OVERLAY): Catalog {
  const remembered = new Map<string, Known>();
  const find = createFinder(data, overlay);

  function describe(providerId: string, model: string): Known {
    const found = model.length > MAX_NAME_CHARS ? undefined : find(providerId, lookupNames(model));
    return {
      profile: profileOf(overlay, model, found?.model),
      model: found?.model,
      asOf: found?.asOf ?? overlay.asOf,
      prices: new Map(),
    };
  }

  function known(providerId: string, model: string): Known {
    if (model.length > MAX_NAME_CHARS) return describe(providerId, model);
    const key = `${providerId}\n${model}`;
    const before = remembered.get(key);
    if (before !== undefined) return before;
    const fresh = describe(providerId, model);
    if (remembered.size >= MAX_REMEMBERED) {
      for (const oldest of remembered.keys()) {
        remembered.delete(oldest);
        break;
      }
    }
    remembered.set(key, fresh);
    return fresh;
  }

  const free: CatalogPrice = { price: completePrice(FREE_PRICE), asOf: overlay.asOf };
  return {
    profile: (providerId, model) => known(providerId, model).profile,
    price(providerId, model, atMs) {
      if (overlay.free.includes(providerId)) return free;
      return currentPrice(known(providerId, model), atMs, overlay.webSearch?.[providerId]);
    },
    terms: (providerId, model) => termsOf(overlay, providerId, model),
    entries: (providerId) => listEntries(data, overlay, providerId),
    canonicalId: (providerId, model) => known(providerId, model).model?.i,
  };
}

/** A fallback of a fallback is as far as the library goes. */
const MAX_FALLBACKS = 2;

function createFinder(data: CatalogData, overlay: Overlay) {
  const indexes = new Map<string, ModelIndex>();
  const indexOf = (key: string, models: readonly CatalogModel[]): ModelIndex => {
    let index = indexes.get(key);
    if (index === undefined) {
      index = indexModels(models);
      indexes.set(key, index);
    }
    return index;
  };
  const overlayAsOf = `overlay ${overlay.asOf}`;

  function findUnder(providerId: string, name: string, depth: number): Found | undefined {
    const ours = Object.hasOwn(overlay.models, providerId) ? overlay.models[providerId] : undefined;
    const added = ours === undefined ? undefined : indexOf(`+${providerId}`, ours).find(name);
    if (added !== undefined) return { model: added, asOf: overlayAsOf };
    const provider = Object.hasOwn(data.providers, providerId) ? data.providers[providerId] : undefined;
    if (provider === undefined) return undefined;
    const listed = indexOf(providerId, provider.models).find(name);
    if (listed !== undefined) return { model: listed, asOf: data.source };
    if (depth >= MAX_FALLBACKS) return undefined;
    for (const fallback of provider.fallback ?? []) {
      const found = findUnder(fallback, name, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  return (providerId: string, names: readonly string[]): Found | undefined => {
    for (const name of names) {
      const found = findUnder(providerId, name, 0);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function termsOf(overlay: Overlay, providerId: string, model: string): PriceTerms | undefined {
  const rules = overlay.terms;
  if (rules === undefined || !Object.hasOwn(rules, providerId) || model.length > MAX_NAME_CHARS)
    return undefined;
  const name = familyName(model);
  return rules[providerId]?.find(({ match }) => match.test(name))?.terms;
}

function profileOf(overlay: Overlay, model: string, listed: CatalogModel | undefined): ModelProfile {
  const name = familyName(model);
  const rule =
    name.length > MAX_NAME_CHARS ? undefined : overlay.families.find(({ match }) => match.test(name));
  const profile = rule?.profile ?? OPEN_PROFILE;
  // A maker's own window is stated with the family; open weights have the one of whoever serves them.
  if (profile.contextTokens !== undefined || listed?.c === undefined) return profile;
  return { ...profile, contextTokens: listed.c };
}

function currentPrice(facts: Known, atMs: number, webSearch: number | undefined): CatalogPrice | undefined {
  const { model, prices } = facts;
  const line = model?.p === undefined ? undefined : priceAt(model.p, atMs);
  if (line === undefined) return undefined;
  if (prices.has(line)) return prices.get(line);
  const family = facts.profile.family === 'claude' ? 'claude' : undefined;
  const listed = listedPrice(line);
  // Only models that answer in words use tools.
  const searches = webSearch !== undefined && listed.input !== undefined && listed.output !== undefined;
  const price = completePrice(searches ? { ...listed, webSearch } : listed, family);
  const priced: CatalogPrice = { price, asOf: facts.asOf };
  prices.set(line, priced);
  return priced;
}

function* listEntries(data: CatalogData, overlay: Overlay, providerId: string): Iterable<CatalogEntry> {
  const own = Object.hasOwn(data.providers, providerId) ? data.providers[providerId]?.models : undefined;
  const added = Object.hasOwn(overlay.models, providerId) ? overlay.models[providerId] : undefined;
  const seen = new Set<string>();
  for (const model of [...(added ?? []), ...(own ?? [])]) {
    if (model.u === 1 || seen.has(model.i)) continue;
    seen.add(model.i);
    const id = model.i.toLowerCase();
    yield {
      id: model.i,
      aliases: (model.e ?? []).filter((name) => name !== id),
      ...(model.c === undefined ? {} : { contextTokens: model.c }),
      deprecated: model.d === 1,
      priced: model.p !== undefined,
    };
  }
}
