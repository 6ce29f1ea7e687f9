/*
 * Writes src/core/catalog/catalog.generated.json from the price library in node_modules (no network).
 * `--check` writes nothing and fails when the file is stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  findProvider,
  type MatchLogic,
  type ModelInfo,
  type ModelPrice,
  type Provider,
} from '@pydantic/genai-prices';
import type {
  CatalogModel,
  CatalogProvider,
  DatedPrice,
  RawPrice,
  RawRates,
  Rule,
} from '../src/core/catalog/data.ts';
import { indexModels } from '../src/core/catalog/match.ts';

const TARGET = fileURLToPath(new URL('../src/core/catalog/catalog.generated.json', import.meta.url));

/** Classes we bill, by the library's price key, with the factor from US dollars to pico-dollars per unit. */
const CLASSES: Readonly<Record<string, readonly [keyof RawRates, number]>> = {
  input_mtok: ['i', 1e6],
  output_mtok: ['o', 1e6],
  cache_read_mtok: ['r', 1e6],
  cache_write_mtok: ['w', 1e6],
  cache_write_1h_mtok: ['h', 1e6],
  input_audio_mtok: ['a', 1e6],
  output_audio_mtok: ['b', 1e6],
  requests_kcount: ['q', 1e9],
};

/**
 * Models the library lists without a price because they cost nothing; elsewhere an empty price means that it knows none.
 */
const FREE = new Set([
  'openai/moderation',
  'google/gemma-3',
  'google/gemma-3n',
  'google/gemma-4-26b-a4b-it',
  'google/gemma-4-31b-it',
]);

/** The library has no list of its providers, so their ids are read from its source and each is then asked for. */
function libraryProviders(): Provider[] {
  const source = readFileSync(fileURLToPath(import.meta.resolve('@pydantic/genai-prices')), 'utf8');
  const ids = [...source.matchAll(/^ {4}id: "([^"]+)",$/gm)].map((match) => match[1] ?? '');
  const expected = source.match(/^ {4}api_pattern: /gm)?.length;
  if (ids.length === 0 || ids.length !== expected)
    throw new Error(`Found ${ids.length} provider ids in the price library, expected ${expected}.`);
  return ids.map((id) => {
    const provider = findProvider({ providerId: id });
    if (provider?.id !== id) throw new Error(`The price library does not return its provider ${id}.`);
    return provider;
  });
}

/** A few prices are thirds of a cent; a pico-dollar is the finest we count, so those are rounded to the nearest. */
function pico(usd: number, factor: number, where: string): number {
  const exact = usd * factor;
  const rounded = Math.round(exact);
  if (!Number.isSafeInteger(rounded) || rounded <= 0 || Math.abs(exact - rounded) > 1e-4 * exact)
    throw new Error(`${where}: ${usd} USD is no positive price in whole pico-dollars.`);
  return rounded;
}

/**
 * Image models answer in image tokens, which vendors report among the output tokens and bill at a rate of their own (up
 * to 12 times the text rate). We have no class for them, so all output of such a model is priced as image tokens.
 */
function withImageOutput(prices: ModelPrice): ModelPrice {
  const image = prices['output_image_mtok'];
  return typeof image === 'number' ? { ...prices, output_mtok: image } : prices;
}

function rawPrice(listed: ModelPrice, where: string): RawPrice | undefined {
  const prices = withImageOutput(listed);
  const base: { -readonly [Class in keyof RawRates]: number } = {};
  const starts = new Set<number>();
  for (const [key, price] of Object.entries(prices)) {
    const known = CLASSES[key];
    if (known === undefined || price === undefined) continue;
    const [short, factor] = known;
    base[short] = pico(typeof price === 'number' ? price : price.base, factor, `${where}.${key}`);
    if (typeof price === 'object') for (const tier of price.tiers) starts.add(tier.start);
  }
  // A model sold by the minute or page has no price that a count of tokens could be charged with.
  if (base.i === undefined && base.o === undefined && base.q === undefined) return undefined;
  const tiers = [...starts]
    .sort((a, b) => a - b)
    .map((start): readonly [number, RawRates] => {
      const rates = { ...base };
      for (const [key, price] of Object.entries(prices)) {
        const known = CLASSES[key];
        if (known === undefined || typeof price !== 'object') continue;
        const tier = price.tiers.filter((candidate) => candidate.start <= start).at(-1);
        if (tier !== undefined) rates[known[0]] = pico(tier.price, known[1], `${where}.${key}`);
      }
      return [start, rates];
    });
  return tiers.length === 0 ? base : { ...base, t: tiers };
}

function secondOfDay(time: string): number {
  const parts = /^(\d\d):(\d\d):(\d\d)Z$/.exec(time);
  if (parts === null) throw new Error(`${time} is no UTC time of day.`);
  return Number(parts[1]) * 3600 + Number(parts[2]) * 60 + Number(parts[3]);
}

function modelPrices(provider: Provider, model: ModelInfo): CatalogModel['p'] {
  const where = `${provider.id}/${model.id}`;
  const free = FREE.has(where) || model.id.endsWith(':free');
  if (!Array.isArray(model.prices)) return free ? { i: 0, o: 0 } : rawPrice(model.prices, where);
  const dated: DatedPrice[] = [];
  for (const { constraint, prices } of model.prices) {
    const p = rawPrice(prices, where);
    if (p === undefined) continue;
    if (constraint === undefined) dated.push({ p });
    else if (constraint.type === 'start_date') dated.push({ s: constraint.start_date, p });
    else dated.push({ d: [secondOfDay(constraint.start_time), secondOfDay(constraint.end_time)], p });
  }
  return dated.length === 0 ? undefined : dated;
}

function simpleRule(match: MatchLogic): readonly ['^' | '*' | '$' | '~' | '=', string] {
  if ('starts_with' in match) return ['^', match.starts_with.toLowerCase()];
  if ('contains' in match) return ['*', match.contains.toLowerCase()];
  if ('ends_with' in match) return ['$', match.ends_with.toLowerCase()];
  if ('regex' in match) return ['~', match.regex];
  if ('equals' in match) return ['=', match.equals.toLowerCase()];
  throw new Error(`Unknown match rule: ${JSON.stringify(match)}`);
}

function flatten(match: MatchLogic): MatchLogic[] {
  return 'or' in match ? match.or.flatMap(flatten) : [match];
}

/** Exact names and rules of a match expression; nested alternatives are flattened. */
function compileMatch(match: MatchLogic): { exact: string[]; rules: Rule[] } {
  const exact = new Set<string>();
  const rules: Rule[] = [];
  for (const part of flatten(match)) {
    if ('and' in part) {
      rules.push(['&', ...part.and.map(simpleRule)]);
      continue;
    }
    const [kind, text] = simpleRule(part);
    if (kind === '=') exact.add(text);
    else rules.push([kind, text]);
  }
  return { exact: [...exact], rules };
}

function catalogModel(provider: Provider, model: ModelInfo, suffix: string): CatalogModel {
  const { exact, rules } = compileMatch(model.match);
  const names = exact.map((text) => text + suffix);
  const prices = modelPrices(provider, model);
  return {
    i: model.id + suffix,
    ...(model.context_window === undefined ? {} : { c: model.context_window }),
    ...(model.deprecated ? { d: 1 as const } : {}),
    e: names,
    ...(rules.length === 0 ? {} : { r: rules }),
    ...(prices === undefined ? {} : { p: prices }),
  };
}

/**
 * The library's ids are labels. Each model is listed under the first of its names that leads back to it: the id, the id
 * with a real region (`regional.` stands for Bedrock's inference profiles), an exact name, the text of a rule. A model
 * without one is kept for its price and not listed.
 */
function named(model: CatalogModel, find: (name: string) => CatalogModel | undefined): CatalogModel {
  const rules = (model.r ?? []).flatMap((rule) => (rule[0] === '~' || rule[0] === '&' ? [] : [rule[1]]));
  const candidates = [model.i, model.i.replace(/^regional\./, 'us.'), ...(model.e ?? []), ...rules];
  const name = candidates.find(
    (candidate) =>
      /[a-z0-9]$/i.test(candidate) &&
      !candidate.startsWith('regional.') &&
      find(candidate.toLowerCase()) === model,
  );
  const { i, e, ...rest } = model;
  const id = name ?? i;
  const onlyItself = e?.length === 1 && e[0] === id.toLowerCase() && rest.r === undefined;
  return {
    i: id,
    ...(name === undefined ? { u: 1 as const } : {}),
    ...(onlyItself || e === undefined || e.length === 0 ? {} : { e }),
    ...rest,
  };
}

const HUGGINGFACE = 'huggingface_';

/** Hugging Face's router names the vendor after a colon, so its per-vendor lists become one. */
function catalogProviders(): Record<string, CatalogProvider> {
  const providers: Record<string, { name: string; fallback?: readonly string[]; models: CatalogModel[] }> =
    {};
  for (const provider of libraryProviders()) {
    const vendor = provider.id.startsWith(HUGGINGFACE) ? provider.id.slice(HUGGINGFACE.length) : undefined;
    const id = vendor === undefined ? provider.id : 'huggingface';
    const suffix = vendor === undefined ? '' : `:${vendor}`;
    const models = provider.models.map((model) => catalogModel(provider, model, suffix));
    const known = providers[id];
    if (known !== undefined) known.models.push(...models);
    else
      providers[id] = {
        name: vendor === undefined ? provider.name : 'Hugging Face',
        ...(provider.fallback_model_providers?.length ? { fallback: provider.fallback_model_providers } : {}),
        models,
      };
  }
  for (const provider of Object.values(providers)) {
    const { find } = indexModels(provider.models);
    provider.models = provider.models.map((model) => named(model, find));
  }
  return providers;
}

/** One model a line: small to read at start, readable in a diff. */
function render(): string {
  const manifest = JSON.parse(
    readFileSync(
      fileURLToPath(new URL('../package.json', import.meta.resolve('@pydantic/genai-prices'))),
      'utf8',
    ),
  ) as { name: string; version: string };
  const blocks = Object.entries(catalogProviders())
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { models, ...rest }]) => {
      const lines = models.map((model) => JSON.stringify(model)).join(',\n');
      return `${JSON.stringify(id)}:${JSON.stringify(rest).slice(0, -1)},"models":[\n${lines}\n]}`;
    });
  const source = JSON.stringify(`${manifest.name} ${manifest.version}`);
  return `{"source":${source},"providers":{\n${blocks.join(',\n')}\n}}\n`;
}

function main(): void {
  const fresh = render();
  if (!process.argv.includes('--check')) {
    writeFileSync(TARGET, fresh);
    console.log(`wrote ${TARGET}: ${fresh.length} bytes`);
    return;
  }
  let current = '';
  try {
    current = readFileSync(TARGET, 'utf8');
  } catch {
    // A missing file is stale too.
  }
  if (current === fresh) return;
  console.error('catalog.generated.json is stale: run `npm run generate:catalog` and commit the result.');
  process.exitCode = 1;
}

main();
