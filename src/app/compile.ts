import type { Catalog } from '../core/catalog/index.ts';
import type { PriceSnapshot } from '../core/cost/price.ts';
import { nearest } from '../core/nearest.ts';
import { matchesPattern } from '../core/policy/key.ts';
import type {
  ConfiguredProvider,
  Deployment,
  ListedModel,
  ModelRoute,
  Runtime,
} from '../pipeline/runtime.ts';
import type { Provider } from '../providers/provider.ts';
import { compilePrice } from './compile-price.ts';
import { compileProvider } from './compile-provider.ts';
import type { Config, DeploymentConfig, ModelConfig } from './config/index.ts';
import { configHash, deploymentSettings, isLoopbackHost } from './config/index.ts';
import { compileCache, compileFailover } from './failover-policy.ts';
import { compileRouting } from './routers.ts';
import type { RoutingState } from './routing-state.ts';
import { compileOutliers, compileUpstreamPolicy } from './upstream-policy.ts';

/** What a runtime is made from. */
export interface CompileInput {
  readonly config: Config;
  readonly catalog: Catalog;
  /** Values of provider environment variables, for vendors that deployments name without an entry of their own. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Operator's price overrides by model name or `provider/model`. */
  readonly overrides: ReadonlyMap<string, PriceSnapshot>;
  /** The built-in simulator's vendor and address, in demo mode. */
  readonly demo:
    | { readonly vendor: Provider; readonly baseUrl: string; readonly models: readonly string[] }
    | undefined;
  readonly now: number;
  /** What a reference to a secret leads to, other texts as they are; `undefined` while it is not known. */
  readonly secretOf?: (text: string) => string | undefined;
  /** What routers remember; without it there are none. */
  readonly routing?: RoutingState;
}

const MAX_MEMO = 10_000;
const MEGABYTE = 1_048_576;

interface DeploymentWish {
  readonly provider: ConfiguredProvider;
  readonly model: string;
  readonly entry: DeploymentConfig | { readonly provider: string };
  readonly modelConfig: ModelConfig | undefined;
}

function compileDeployment(input: CompileInput, wish: DeploymentWish): Deployment {
  const { provider, model, entry, modelConfig } = wish;
  const settings = deploymentSettings(input.config, entry, modelConfig);
  const known = input.catalog.profile(provider.vendor.catalogId ?? provider.vendor.id, model);
  const profile = {
    ...known,
    ...(modelConfig?.max_output_tokens === undefined
      ? {}
      : { maxOutputTokens: modelConfig.max_output_tokens }),
    ...(modelConfig?.context_window_tokens === undefined
      ? {}
      : { contextTokens: modelConfig.context_window_tokens }),
  };
  const { timeouts } = settings;
  const reasons = profile.reasoning.kind !== 'none';
  return {
    id: `${provider.name}/${model}${'region' in entry && entry.region !== undefined ? `@${entry.region}` : ''}`,
    provider: settings.region === undefined ? provider : { ...provider, region: settings.region },
    model,
    weight: 'weight' in entry ? entry.weight : 1,
    priority: 'priority' in entry ? entry.priority : 1,
    timeouts: {
      connectMs: timeouts.connect_ms,
      firstByteMs: reasons ? timeouts.first_byte_reasoning_ms : timeouts.first_byte_ms,
      idleMs: timeouts.idle_ms,
      totalMs: timeouts.total_ms,
      progressIdleMs: timeouts.progress_idle_ms,
    },
    ...compileUpstreamPolicy(settings),
    profile,
    price: compilePrice(input, wish, settings.price),
  };
}

/** How a name may say what is favoured; the stage that resolves names cuts it off (`pipeline/stages/authorize`). */
const OBJECTIVE_SUFFIX = /.:(?:cost|fast|quality)$/;

class RuntimeCompiler {
  readonly #input: CompileInput;
  readonly #providers = new Map<string, ConfiguredProvider>();
  readonly #memo = new Map<string, ModelRoute | undefined>();
  #listed: readonly ListedModel[] | undefined;

  constructor(input: CompileInput) {
    this.#input = input;
    const { config, demo } = input;
    for (const name of Object.keys(config.providers)) this.#addProvider(name);
    for (const model of Object.values(config.models)) {
      for (const entry of model.deployments)
        if (!this.#providers.has(entry.provider)) this.#addProvider(entry.provider);
    }
    if (demo !== undefined) this.#providers.set(demo.vendor.id, demoProvider(demo));
  }

  #addProvider(name: string): void {
    const provider = compileProvider(this.#input, name);
    if (provider !== undefined) this.#providers.set(name, provider);
  }

  get providers(): ReadonlyMap<string, ConfiguredProvider> {
    return this.#providers;
  }

  resolve(name: string): ModelRoute | undefined {
    if (this.#memo.has(name)) return this.#memo.get(name);
    // `gpt-4o:cost` asks for a model in a way: what takes any name (a pattern, a provider) must not take it for a model.
    const route =
      OBJECTIVE_SUFFIX.test(name) && !this.#knows(name)
        ? undefined
        : (this.#configured(name) ?? this.#qualified(name) ?? this.#plain(name));
    // Invented names may push useful ones out, never grow the memory.
    if (this.#memo.size >= MAX_MEMO) this.#memo.clear();
    this.#memo.set(name, route);
    return route;
  }

  /** Whether a name stands in the configuration or the catalog just as it is. */
  #knows(name: string): boolean {
    if (Object.hasOwn(this.#input.config.models, name)) return true;
    const slash = name.indexOf('/');
    const own = slash > 0 ? this.#providers.get(name.slice(0, slash)) : undefined;
    const model = own === undefined ? name : name.slice(slash + 1);
    const providers = own === undefined ? [...this.#providers.values()] : [own];
    return providers.some(
      ({ vendor }) => this.#input.catalog.canonicalId(vendor.catalogId ?? vendor.id, model) === model,
    );
  }

  reach(name: string, model: string): ModelRoute | undefined {
    const provider = this.#providers.get(name);
    return provider === undefined ? undefined : this.#single(`${name}/${model}`, provider, model);
  }

  #configured(name: string): ModelRoute | undefined {
    const { models } = this.#input.config;
    const exact = Object.hasOwn(models, name) ? models[name] : undefined;
    const found =
      exact ??
      Object.entries(models).find(([pattern]) => pattern.includes('*') && matchesPattern(pattern, name))?.[1];
    if (found === undefined) return undefined;
    const deployments = found.deployments.flatMap((entry) => {
      const provider = this.#providers.get(entry.provider);
      if (provider === undefined) return [];
      const model = entry.model.replace('*', () => name);
      return [compileDeployment(this.#input, { provider, model, entry, modelConfig: found })];
    });
    return this.#route(name, deployments, found);
  }

  #qualified(name: string): ModelRoute | undefined {
    const slash = name.indexOf('/');
    const provider = slash > 0 ? this.#providers.get(name.slice(0, slash)) : undefined;
    const model = name.slice(slash + 1);
    if (provider === undefined || model === '') return undefined;
    if (provider.vendor.id === this.#input.demo?.vendor.id && !this.#isDemoModel(model)) return undefined;
    return this.#single(name, provider, model);
  }

  #isDemoModel(model: string): boolean {
    return (
      this.#input.demo?.models.some((known) => model === known || model.startsWith(`${known}~`)) === true
    );
  }

  /** The first provider in whose catalog a name stands. */
  #listing(name: string): ConfiguredProvider | undefined {
    const { catalog, demo } = this.#input;
    for (const provider of this.#providers.values()) {
      const { id, catalogId = id } = provider.vendor;
      if (id !== demo?.vendor.id && catalog.canonicalId(catalogId, name) !== undefined) return provider;
    }
    return undefined;
  }

  serves(name: string): boolean {
    const route = this.#configured(name) ?? this.#qualified(name);
    if (route !== undefined) return route.deployments.length > 0;
    return !OBJECTIVE_SUFFIX.test(name) && this.#listing(name) !== undefined;
  }

  /** A catalog model of the first provider that has it, or anything when there is only one provider. */
  #plain(name: string): ModelRoute | undefined {
    const listing = this.#listing(name);
    if (listing !== undefined) return this.#single(name, listing, name);
    const providers = [...this.#providers.values()];
    const [only] = providers;
    return providers.length === 1 &&
      only !== undefined &&
      this.#input.demo === undefined &&
      !name.includes('/')
      ? this.#single(name, only, name)
      : undefined;
  }

  #single(name: string, provider: ConfiguredProvider, model: string): ModelRoute {
    const wish = { provider, model, entry: { provider: provider.name }, modelConfig: undefined };
    const route = this.#route(name, [compileDeployment(this.#input, wish)], undefined);
    const aliases = this.#namesOf(provider.name, model).filter((alias) => alias !== name);
    return aliases.length === 0 ? route : { ...route, aliases };
  }

  /** Configured models that a provider's model serves: what is bound to their names must hold for it under its own, too. */
  #namesOf(provider: string, model: string): readonly string[] {
    return Object.entries(this.#input.config.models).flatMap(([name, { deployments }]) => {
      const pattern = name.includes('*');
      const serves = deployments.some(
        (entry) => entry.provider === provider && entry.model === (pattern ? '*' : model),
      );
      if (!serves) return [];
      return pattern ? [model].filter((asked) => matchesPattern(name, asked)) : [name];
    });
  }

  #route(name: string, deployments: readonly Deployment[], model: ModelConfig | undefined): ModelRoute {
    const first = deployments[0]?.provider.name ?? '';
    const settings = deploymentSettings(this.#input.config, { provider: first }, model);
    const { retries } = settings;
    return {
      name,
      deployments,
      strategy: model?.strategy ?? 'priority',
      outliers: compileOutliers(settings),
      retries: {
        attempts: retries.attempts,
        backoffMs: retries.backoff_ms,
        maxBackoffMs: retries.max_backoff_ms,
      },
      fallbacks: model?.fallbacks ?? [],
      fallbacksOn: model?.fallbacks_on ?? {},
      ...compileFailover(model),
    };
  }

  /** Deployments of all models whose names are no patterns. */
  deployments(): readonly Deployment[] {
    const names = Object.keys(this.#input.config.models).filter((name) => !name.includes('*'));
    const all = names.flatMap((name) => this.resolve(name)?.deployments ?? []);
    return [...new Map(all.map((deployment) => [deployment.id, deployment])).values()];
  }

  list(): readonly ListedModel[] {
    this.#listed ??= this.#compileList();
    return this.#listed;
  }

  #compileList(): readonly ListedModel[] {
    const names = new Set(Object.keys(this.#input.config.models).filter((name) => !name.includes('*')));
    const { demo, catalog } = this.#input;
    for (const provider of this.#providers.values()) {
      if (provider.vendor.id === demo?.vendor.id) {
        for (const model of demo.models) names.add(`${provider.name}/${model}`);
        continue;
      }
      const entries = [...catalog.entries(provider.vendor.catalogId ?? provider.vendor.id)].filter(
        (entry) => !entry.deprecated,
      );
      for (const entry of entries) names.add(entry.id);
      for (const entry of entries) names.add(`${provider.name}/${entry.id}`);
    }
    return [...names].flatMap((name) => {
      const [deployment] = this.resolve(name)?.deployments ?? [];
      if (deployment === undefined) return [];
      const { contextTokens, maxOutputTokens } = deployment.profile;
      return [{ name, provider: deployment.provider.name, contextTokens, maxOutputTokens }];
    });
  }
}

function demoProvider(demo: NonNullable<CompileInput['demo']>): ConfiguredProvider {
  return {
    name: demo.vendor.id,
    vendor: demo.vendor,
    baseUrl: demo.baseUrl,
    credentials: [],
    quirks: demo.vendor.quirks ?? {},
    headers: {},
    region: undefined,
    allowPrivateNetwork: true,
    settings: {},
  };
}

/** At most this many names are compared, so that asking for unknown models stays cheap. */
const MAX_COMPARED = 300;

function closeNames(name: string, models: readonly ListedModel[]): readonly string[] {
  const start = name.slice(0, 2).toLowerCase();
  const candidates = models
    .map((model) => model.name)
    .filter((known) => known.toLowerCase().startsWith(start));
  const found = nearest(name, candidates.slice(0, MAX_COMPARED));
  return found === undefined ? [] : [found];
}

/** Routers among the models: clients ask for them alike. */
function listRouters(config: Config): readonly ListedModel[] {
  return Object.keys(config.routers)
    .filter((name) => !Object.hasOwn(config.models, name))
    .map((name) => ({ name, provider: 'router', contextTokens: undefined, maxOutputTokens: undefined }));
}

/** Turns a checked configuration into the immutable runtime that requests are served with. */
export function compileRuntime(input: CompileInput): Runtime {
  const { config } = input;
  const compiler = new RuntimeCompiler(input);
  const loopback = isLoopbackHost(config.server.host);
  return {
    hash: configHash(config),
    demo: input.demo !== undefined,
    accessMode: config.access.mode ?? (loopback ? undefined : 'keys'),
    maxBodyBytes: config.server.max_body_mb * MEGABYTE,
    maxJsonDepth: config.server.max_json_depth,
    maxAnswerBytes: config.upstream.max_answer_mb * MEGABYTE,
    maxStreamBytes: config.upstream.max_stream_mb * MEGABYTE,
    maxEventBytes: config.upstream.max_event_mb * MEGABYTE,
    maxErrorBytes: config.upstream.max_error_body_kb * 1024,
    maxRetryPercent: config.upstream.max_retry_percent,
    maxRetryAfterS: config.upstream.max_retry_after_s,
    cache: compileCache(config),
    abandoned: {
      maxConcurrent: config.upstream.abandoned.max_concurrent,
      maxMs: config.upstream.abandoned.max_ms,
    },
    providers: compiler.providers,
    deployments: compiler.deployments(),
    resolve: (name) => compiler.resolve(name),
    serves: (name) => compiler.serves(name),
    reach: (provider, model) => compiler.reach(provider, model),
    ...(input.routing === undefined
      ? {}
      : {
          routing: compileRouting({
            config,
            resolve: (name) => compiler.resolve(name),
            state: input.routing,
          }),
        }),
    listModels: () => [...compiler.list(), ...listRouters(config)],
    suggest: (name) => closeNames(name, compiler.list()),
  };
}
