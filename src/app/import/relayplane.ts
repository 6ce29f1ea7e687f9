import { isMap } from '../config/paths.ts';
import { Draft, isModelName, type Tree, whole } from './draft.ts';
import type { Imported } from './litellm.ts';
import { importBudget } from './relayplane-budget.ts';
import { ImportFault, Ledger, Part } from './source.ts';
import { keyVariable, vendorOf, vendorOfModel } from './vendors.ts';

interface Work {
  readonly draft: Draft;
  readonly ledger: Ledger;
}

const ROUTER = 'auto';

const TOP: Readonly<Record<string, string>> = {
  enabled: 'stop the gateway to switch it off.',
  defaultProvider: 'no provider is forced on every request; name models as provider/model.',
  anomaly: 'sudden spend is bounded by budgets and rate limits.',
  alerts: 'thresholds of budgets are told in log and portal; there is no webhook sender.',
  downgrade: 'give a budget `action: downgrade` and `downgrade_to`.',
  crossProviderCascade: 'give models `fallbacks`; the cause of the failure decides when they are used.',
  credentialPool: 'subscription logins are not used as credentials; a pool of API keys is `api_keys`.',
  mesh: 'nothing is shared with others.',
  telemetry: 'nothing is sent to anybody; see `telemetry.otlp_endpoint` for your own collector.',
  dashboard: 'see `log.content`.',
  memory: 'nothing is added to prompts.',
  device_id: 'nothing is sent to anybody.',
  apiKey: 'there is no cloud account.',
  config_version: 'belongs to RelayPlane’s own file.',
  first_run_complete: 'belongs to RelayPlane’s own file.',
  created_at: 'belongs to RelayPlane’s own file.',
  updated_at: 'belongs to RelayPlane’s own file.',
  plan: 'there are no plans.',
};

/** `model`, `provider/model`, `provider:model` or `{ provider, model }` as a name of ours. */
function modelName(value: unknown): string | undefined {
  const provider = isMap(value) && typeof value['provider'] === 'string' ? value['provider'] : undefined;
  const given = isMap(value) ? value['model'] : value;
  if (typeof given !== 'string' || given === '' || /^(rp|relayplane):/.test(given)) return undefined;
  const [, prefix, rest] = /^([a-z][a-z0-9_-]*)[/:](.+)$/i.exec(given) ?? [];
  const named = provider ?? (prefix !== undefined && vendorOf(prefix) !== undefined ? prefix : undefined);
  const vendor = named === undefined ? vendorOfModel(given) : vendorOf(named);
  const name = named === undefined || provider !== undefined ? given : (rest ?? given);
  return vendor !== undefined && isModelName(name) ? `${vendor}/${name}` : undefined;
}

/** Reads a model and makes sure that its provider is there. */
function modelAt({ draft, ledger }: Work, part: Part, key: string): string | undefined {
  if (!part.has(key)) return undefined;
  const name = modelName(part.take(key));
  if (name === undefined)
    ledger.unmapped(part.at(key), 'is no model whose provider is known; write provider/model.');
  else ensureProvider(draft, name.slice(0, name.indexOf('/')));
  return name;
}

function ensureProvider(draft: Draft, vendor: string): void {
  if (draft.providers[vendor] !== undefined) return;
  const variable = keyVariable(vendor);
  draft.providers[vendor] = variable === undefined ? {} : { api_key: draft.variable(variable, 'secret') };
}

function accountKeys(work: Work, part: Part, variable: string): readonly string[] {
  const sorted = [...(part.parts('accounts') ?? [])].sort(
    (a, b) => (a.number('priority') ?? 0) - (b.number('priority') ?? 0),
  );
  return sorted.flatMap((account) => {
    const has = account.text('apiKey') !== undefined;
    account.take('label');
    account.rest();
    return has ? [work.draft.moved(variable, 'secret', account.at('apiKey'))] : [];
  });
}

function importProvider(work: Work, part: Part, name: string): void {
  const vendor = vendorOf(name);
  if (vendor === undefined) {
    work.ledger.unmapped(
      part.path,
      'is no provider Sluice has; use type openai-compatible with a `base_url`.',
    );
    for (const key of part.keys) part.take(key);
    return;
  }
  const usual = keyVariable(vendor) ?? `${vendor.toUpperCase()}_API_KEY`;
  const keys = accountKeys(work, part, usual);
  const single = part.text('apiKey') ?? part.text('apiKeyValue');
  const base = part.text('baseUrl');
  const rates = part.part('rateLimit');
  const limits = Object.entries({
    rpm: whole(rates?.number('rpm'), 1, 1e9),
    tpm: whole(rates?.number('tpm'), 1, 1e12),
    concurrency: whole(rates?.number('maxConcurrent'), 1, 1e9),
  }).filter(([, value]) => value !== undefined);
  rates?.rest();
  part.take('enabled');
  part.rest();
  const own = single === undefined ? undefined : work.draft.moved(usual, 'secret', part.at('apiKey'));
  const fallback = keyVariable(vendor) === undefined ? undefined : () => work.draft.variable(usual, 'secret');
  work.draft.providers[vendor] = {
    ...(keys.length > 1 ? { api_keys: keys } : {}),
    ...(keys.length > 1 ? {} : keyOf(keys[0] ?? own ?? fallback?.())),
    ...(base === undefined ? {} : { base_url: base.replace(/\/+$/, '') }),
    ...(limits.length === 0 ? {} : { limits: Object.fromEntries(limits) }),
  };
  work.ledger.mapped(part.path, `providers.${vendor}`);
}

function keyOf(key: string | undefined): Tree {
  return key === undefined ? {} : { api_key: key };
}

function importProviders(work: Work, root: Part): void {
  const providers = root.part('providers');
  for (const name of providers?.keys ?? []) {
    const part = providers?.part(name);
    if (part !== undefined) importProvider(work, part, name);
  }
  const ollama = root.part('ollama');
  if (ollama === undefined) return;
  const base = ollama.text('baseUrl');
  const timeout = whole(ollama.number('timeoutMs'), 1, 86_400_000);
  const enabled = ollama.flag('enabled') !== false;
  ollama.rest({
    models: 'every model of a provider is reachable as provider/model.',
    defaultModel: 'clients name the model.',
    routeWhen: 'use a tier or a rule of a router.',
  });
  if (!enabled) return;
  work.draft.providers['ollama'] = {
    ...(base === undefined ? {} : { base_url: base.replace(/\/+$/, '') }),
    ...(timeout === undefined ? {} : { timeouts: { total_ms: Math.max(timeout, 60_000) } }),
  };
  work.ledger.mapped(ollama.path, 'providers.ollama');
}

function importOverrides(work: Work, root: Part): void {
  const overrides = root.part('modelOverrides');
  for (const from of overrides?.keys ?? []) {
    if (overrides === undefined) continue;
    const to = modelAt(work, overrides, from);
    if (to === undefined) continue;
    if (!isModelName(from) || from.includes('*')) {
      work.ledger.unmapped(overrides.at(from), 'its name is none that `models` takes.');
      continue;
    }
    work.draft.models[from] = { deployments: [to] };
    work.ledger.mapped(overrides.at(from), `models.${from}`);
  }
}

const ESCALATE: Readonly<Record<string, string>> = {
  uncertainty: 'uncertainty',
  refusal: 'refusal',
  error: 'error',
};

function cascadeOf(work: Work, routing: Part, mode: string): Tree | undefined {
  const part = routing.part('cascade');
  if (part === undefined) return undefined;
  const enabled = part.flag('enabled') !== false;
  const models = (part.list('models') ?? []).flatMap((value, index) => {
    const name = modelName(value);
    if (name === undefined)
      work.ledger.unmapped(`${part.at('models')}[${index}]`, 'is no model whose provider is known.');
    else ensureProvider(work.draft, name.slice(0, name.indexOf('/')));
    return name === undefined ? [] : [name];
  });
  const sign = ESCALATE[part.text('escalateOn') ?? 'uncertainty'];
  const most = whole(part.number('maxEscalations'), 1, 8) ?? 1;
  part.rest();
  if (!enabled || models.length < 2) {
    if (enabled) work.ledger.unmapped(part.path, 'needs two models at least to escalate between.');
    return undefined;
  }
  if (mode === 'complexity') {
    work.ledger.unmapped(part.path, 'is not in use with `mode: complexity`.');
    return undefined;
  }
  work.ledger.mapped(part.path, `routers.${ROUTER}.cascade`);
  const listed = models.slice(0, 8);
  return {
    models: listed,
    ...(sign === undefined ? {} : { escalate_on: [sign] }),
    max_escalations: Math.min(most, listed.length - 1),
  };
}

function tiersOf(work: Work, routing: Part, mode: string): Tree | undefined {
  const part = routing.part('complexity');
  if (part === undefined) return undefined;
  const enabled = part.flag('enabled') !== false;
  const easy = modelAt(work, part, 'simple');
  const medium = modelAt(work, part, 'moderate');
  const hard = modelAt(work, part, 'complex');
  part.rest();
  if (!enabled) return undefined;
  const first = easy ?? medium;
  const last = hard ?? medium;
  if (first === undefined || last === undefined) {
    work.ledger.unmapped(part.path, 'names too few models; an easy and a hard one are needed.');
    return undefined;
  }
  if (mode === 'cascade') {
    work.ledger.unmapped(part.path, 'is not in use with `mode: cascade`.');
    return undefined;
  }
  work.ledger.approximated(
    part.path,
    `routers.${ROUTER}.tiers`,
    'difficulty is judged by Sluice’s own scorer.',
  );
  return { easy: first, ...(medium === undefined ? {} : { medium }), hard: last };
}

/** `strategies`: a model for each kind of task. */
function rulesOf(work: Work, root: Part): readonly Tree[] {
  const strategies = root.part('strategies');
  return (strategies?.keys ?? []).flatMap((task) => {
    const part = strategies?.part(task);
    if (part === undefined) return [];
    const use = modelAt(work, part, 'model');
    part.rest({
      fallback: 'give the model `fallbacks`.',
      minConfidence: 'the scorer’s confidence is not asked for by rules.',
    });
    if (use === undefined) return [];
    work.ledger.approximated(
      part.path,
      `routers.${ROUTER}.rules`,
      'tasks are told apart by Sluice’s own rules; see docs/guides/router.md.',
    );
    return [{ when: `task == ${JSON.stringify(task)}`, use }];
  });
}

function importRouting(work: Work, root: Part): void {
  const routing = root.part('routing');
  const mode = routing?.text('mode') ?? 'standard';
  const cascade = routing === undefined ? undefined : cascadeOf(work, routing, mode);
  const tiers = routing === undefined ? undefined : tiersOf(work, routing, mode);
  const rules = rulesOf(work, root);
  const defaults = root.part('defaults');
  const quality = defaults === undefined ? undefined : modelAt(work, defaults, 'qualityModel');
  const cost = defaults === undefined ? undefined : modelAt(work, defaults, 'costModel');
  defaults?.rest();
  routing?.rest();
  const passing = mode === 'passthrough';
  const chosen = {
    ...(tiers === undefined ? {} : { tiers }),
    ...(cascade === undefined ? {} : { cascade }),
    ...(rules.length === 0 ? {} : { rules }),
  };
  const baseline =
    quality ??
    tiers?.['medium'] ??
    tiers?.['hard'] ??
    (cascade?.['models'] as string[] | undefined)?.[0] ??
    rules[0]?.['use'];
  if (baseline === undefined || Object.keys(chosen).length === 0) {
    if (routing !== undefined) work.ledger.mapped(routing.at('mode'), 'clients get the model they name');
    return;
  }
  work.draft.routers[ROUTER] = {
    mode: passing ? 'observe' : 'on',
    baseline,
    ...chosen,
    ...(cost === undefined ? {} : { models: [cost] }),
  };
  const why = 'clients ask for the model `auto`; a model they name themselves is served as it is.';
  work.ledger.approximated(
    routing === undefined ? 'strategies' : routing.at('mode'),
    `routers.${ROUTER}`,
    why,
  );
}

function importReliability({ draft, ledger }: Work, root: Part): void {
  const reliability = root.part('reliability');
  const part = reliability?.part('cooldowns');
  if (part !== undefined) {
    const failures = whole(part.number('allowedFails'), 1, 1e6);
    const window = whole(part.number('windowSeconds'), 1, 3600);
    const open = whole(part.number('cooldownSeconds'), 1, 3600);
    if (part.flag('enabled') === false)
      ledger.unmapped(part.at('enabled'), 'circuits cannot be switched off; their limits can be raised.');
    else {
      draft.sections['upstream'] = {
        circuit: {
          ...(failures === undefined ? {} : { failures }),
          ...(window === undefined ? {} : { window_s: window }),
          ...(open === undefined ? {} : { open_s: open, ...(open > 300 ? { max_open_s: open } : {}) }),
        },
      };
      ledger.mapped(part.path, 'upstream.circuit');
    }
    part.rest();
  }
  reliability?.rest();
}

function importCache({ draft, ledger }: Work, root: Part): void {
  const part = root.part('cache');
  if (part === undefined) return;
  const enabled = part.flag('enabled') !== false;
  const size = whole(part.number('maxSizeMb'), 1, 65_536);
  const ttl = whole(part.number('defaultTtlSeconds'), 1, 31_536_000);
  const only = part.flag('onlyWhenDeterministic');
  const mode = part.text('mode');
  part.rest({
    ttlByTaskType: 'answers are kept equally long; clients may send `x-sluice-cache: ttl=SECONDS`.',
    cacheDir: 'answers are kept in memory.',
    aggressiveMaxAge: 'only equal requests are answered from the cache.',
  });
  if (!enabled) return;
  draft.sections['cache'] = {
    exact: {
      enabled: true,
      ...(size === undefined ? {} : { max_mb: size }),
      ...(ttl === undefined ? {} : { ttl_s: ttl }),
      ...(only === undefined ? {} : { only_deterministic: only }),
    },
  };
  if (mode === 'aggressive')
    ledger.approximated(part.at('mode'), 'cache.exact', 'only equal requests are answered from the cache.');
  else ledger.mapped(part.path, 'cache.exact');
}

/** RelayPlane's `config.json`. Throws {@link ImportFault} for anything else. */
export function importRelayplane(tree: unknown): Imported {
  const ledger = new Ledger();
  const draft = new Draft();
  const root = Part.root(tree, ledger, 'RelayPlane configuration');
  const telling = [
    'routing',
    'modelOverrides',
    'reliability',
    'budget',
    'cache',
    'providers',
    'strategies',
    'auth',
  ];
  if (!telling.some((key) => root.has(key))) {
    throw new ImportFault(`This is no RelayPlane configuration: it has none of ${telling.join(', ')}.`);
  }
  const work = { draft, ledger };
  importProviders(work, root);
  importOverrides(work, root);
  importRouting(work, root);
  importReliability(work, root);
  importCache(work, root);
  const budget = root.part('budget');
  if (budget !== undefined) importBudget(work, budget, modelAt(work, budget, 'downgradeTo'));
  root.part('auth')?.rest({
    anthropicMaxToken:
      'subscription logins are not used as credentials; clients may send their own with `access.mode: open`.',
    useMaxForModels: 'subscription logins are not used as credentials.',
  });
  root.rest(TOP);
  return { draft, ledger };
}
