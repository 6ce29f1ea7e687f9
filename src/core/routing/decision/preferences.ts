import { badRequest, type SluiceError, unsupported } from '../../errors/error.ts';
import { isObject, type Json, type JsonObject } from '../../model/index.ts';
import type { PriceCap } from './types.ts';

/** What a client asks of routing in OpenRouter's words. */
export interface Preferences {
  /** Further models in order, after the asked one. */
  readonly models: readonly string[];
  /** Providers to try first, in order. */
  readonly order: readonly string[] | undefined;
  readonly only: readonly string[] | undefined;
  readonly ignore: readonly string[] | undefined;
  /** Whether other providers and models may answer than the first choice. */
  readonly allowFallbacks: boolean;
  readonly objective: 'cost' | 'fast' | undefined;
  readonly requireParameters: boolean;
  readonly maxPrice: PriceCap | undefined;
}

const MAX_ENTRIES = 64;
const MAX_NAME = 256;

function names(value: Json | undefined, param: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const sound =
    Array.isArray(value) &&
    value.length <= MAX_ENTRIES &&
    value.every((name) => typeof name === 'string' && name !== '' && name.length <= MAX_NAME);
  if (!sound) throw badRequest(param, `\`${param}\` must be a list of at most ${MAX_ENTRIES} names.`);
  return value as readonly string[];
}

function flag(value: Json | undefined, param: string): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw badRequest(param, `\`${param}\` must be true or false.`);
  return value;
}

function amount(value: Json | undefined, param: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number) || number < 0) {
    throw badRequest(param, `\`${param}\` must be a number of US dollars of at least 0.`);
  }
  return number;
}

/** OpenRouter: `prompt` and `completion` in dollars per million tokens, `request` in dollars. */
function priceCap(value: Json | undefined): PriceCap | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw badRequest('provider.max_price', '`provider.max_price` must be an object.');
  const unknown = Object.keys(value).find((name) => !['prompt', 'completion', 'request'].includes(name));
  if (unknown !== undefined) throw notKnown(`provider.max_price.${unknown}`);
  const input = amount(value['prompt'], 'provider.max_price.prompt');
  const output = amount(value['completion'], 'provider.max_price.completion');
  const request = amount(value['request'], 'provider.max_price.request');
  return {
    ...(input === undefined ? {} : { input: input * 1e6 }),
    ...(output === undefined ? {} : { output: output * 1e6 }),
    ...(request === undefined ? {} : { requestNano: request * 1e9 }),
  };
}

const SORTS: Readonly<Record<string, 'cost' | 'fast'>> = {
  price: 'cost',
  throughput: 'fast',
  latency: 'fast',
};

/** What narrows the choice in a way that is not honoured here must be refused: leaving it out would widen the choice. */
function notKnown(name: string): SluiceError {
  const param = name.slice(0, 80);
  return unsupported(param, `\`${param}\` is not known here.`);
}

function sortOf(value: Json | undefined): 'cost' | 'fast' | undefined {
  if (isObject(value)) {
    const { by: _, partition, ...rest } = value;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined) throw notKnown(`provider.sort.${unknown}`);
    // Providers are sorted within the model asked for, which is what `model` says; `none` would mix models.
    if (partition !== undefined && partition !== null && partition !== 'model')
      throw notKnown('provider.sort.partition');
  }
  const word = isObject(value) ? value['by'] : value;
  if (word === undefined || word === null) return undefined;
  const objective = typeof word === 'string' && Object.hasOwn(SORTS, word) ? SORTS[word] : undefined;
  if (objective === undefined) {
    throw badRequest('provider.sort', '`provider.sort` must be "price", "throughput" or "latency".');
  }
  return objective;
}

const KNOWN: ReadonlySet<string> = new Set([
  'order',
  'only',
  'ignore',
  'allow_fallbacks',
  'sort',
  'max_price',
  'require_parameters',
  'data_collection',
]);

/**
 * Refuses what narrows the choice in a way nobody here can check: ignoring a demand for privacy would break it. Throws
 * `unsupported_feature`.
 */
function refuseUnknown(provider: JsonObject): void {
  const { data_collection: collection } = provider;
  if (collection === 'deny') {
    throw unsupported(
      'provider.data_collection',
      'This gateway does not know which providers keep prompts. Name the ones you trust in `provider.only`.',
    );
  }
  if (collection !== undefined && collection !== null && collection !== 'allow') {
    throw badRequest('provider.data_collection', '`provider.data_collection` must be "allow" or "deny".');
  }
  if (Array.isArray(provider['quantizations']) && provider['quantizations'].length > 0) {
    throw unsupported(
      'provider.quantizations',
      'This gateway does not know in which precision providers run a model. Name the ones you trust in `provider.only`.',
    );
  }
  for (const [name, value] of Object.entries(provider)) {
    const idle = value === null || value === false || (Array.isArray(value) && value.length === 0);
    if (KNOWN.has(name) || idle) continue;
    throw notKnown(`provider.${name}`);
  }
}

/** Whether a body has fields of OpenRouter's routing. */
export function hasPreferences(body: JsonObject): boolean {
  return isObject(body['provider']) || Array.isArray(body['models']);
}

/** Reads OpenRouter's `provider` object and `models` list. Throws `bad_request` or `unsupported_feature` naming the field. */
export function readPreferences(body: JsonObject): Preferences {
  const given = body['provider'];
  const provider = isObject(given) ? given : {};
  refuseUnknown(provider);
  return {
    models: names(body['models'], 'models') ?? [],
    order: names(provider['order'], 'provider.order'),
    only: names(provider['only'], 'provider.only'),
    ignore: names(provider['ignore'], 'provider.ignore'),
    allowFallbacks: flag(provider['allow_fallbacks'], 'provider.allow_fallbacks') ?? true,
    objective: sortOf(provider['sort']),
    requireParameters: flag(provider['require_parameters'], 'provider.require_parameters') ?? false,
    maxPrice: priceCap(provider['max_price']),
  };
}

/** A provider's slug without its variant: `deepinfra/turbo` is `deepinfra`. */
export function matchesProvider(wanted: readonly string[], names: readonly string[]): boolean {
  return wanted.some((slug) => names.includes(slug) || names.includes(slug.split('/', 1)[0] ?? slug));
}
