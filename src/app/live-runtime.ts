import type { KeyDirectory } from '../control/key-directory.ts';
import type { Catalog } from '../core/catalog/index.ts';
import type { PriceSnapshot } from '../core/cost/price.ts';
import { HOUR_MS } from '../core/durations.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import { type CompileInput, compileRuntime } from './compile.ts';
import type { Config, ConfigWatch, LoadResult, Problem } from './config/index.ts';
import type { KnownNames } from './config/known.ts';
import {
  type ConfigurationSource,
  knownNames,
  loadConfiguration,
  watchConfiguration,
} from './configuration.ts';
import { syncFileKeys } from './file-keys.ts';
import { syncFileTeams } from './file-teams.ts';
import { createScorer } from './prompt-scorer.ts';
import { RoutingState } from './routing-state.ts';
import { heldToStart, waitsForStart } from './start-only.ts';

/** The built-in simulator, running. */
interface Demo {
  readonly compiled: NonNullable<CompileInput['demo']>;
  close(): Promise<void>;
}

/** Loaded only when it is needed: whoever has a provider does not wait for the simulator's code. */
async function startDemo(): Promise<Demo> {
  const [{ startSimulator }, { SIMULATED_MODELS, simulator }] = await Promise.all([
    import('./simulator.ts'),
    import('../providers/simulator/index.ts'),
  ]);
  const running = await startSimulator({ host: '127.0.0.1', port: 0 });
  return {
    compiled: { vendor: simulator, baseUrl: running.url, models: SIMULATED_MODELS },
    close: () => running.close(),
  };
}

/** What the live runtime works with. */
export interface LiveRuntimeOptions {
  readonly source: ConfigurationSource;
  readonly config: Config;
  /** Of the admin overrides at the start, when they cannot be used. */
  readonly problems?: readonly Problem[];
  /** What administrators set over the file, as text. */
  readonly overrides?: () => string | undefined;
  readonly catalog: Catalog;
  readonly log: Log;
  readonly directory: KeyDirectory;
  readonly adapters: { readonly store: Store; readonly secrets: SecretBox; readonly clock: Clock };
  /** Told of every newer runtime; requests that wait are let through by its limits. */
  readonly onAdopt?: (runtime: Runtime) => void;
  /** Secrets that the configuration refers to. */
  readonly resolver?: {
    adopt(config: Config): Promise<void>;
    readonly resolve: (text: string) => string | undefined;
  };
  /** Told of every newer configuration once its keys and teams are in force. */
  readonly onKeys?: (config: Config) => Promise<void>;
}

/**
 * The configuration that requests are served with. A newer one replaces it by swapping one reference; a broken one leaves
 * it alone and is told in log, status and portal.
 */
export class LiveRuntime {
  readonly #options: LiveRuntimeOptions;
  #config: Config;
  #runtime: Runtime;
  #problems: readonly Problem[] = [];
  #unheeded: readonly string[] = [];
  #loadedAt: number;
  #overrides: ReadonlyMap<string, PriceSnapshot>;
  #demo: Demo | undefined;
  #watch: ConfigWatch<LoadResult> | undefined;
  readonly #hourly: NodeJS.Timeout;
  /** What routers learn and remember. */
  readonly routing = new RoutingState(createScorer());

  private constructor(
    options: LiveRuntimeOptions,
    start: { overrides: ReadonlyMap<string, PriceSnapshot>; demo: Demo | undefined },
  ) {
    this.#options = options;
    this.#config = options.config;
    this.#problems = options.problems ?? [];
    this.#overrides = start.overrides;
    this.#demo = start.demo;
    this.#loadedAt = options.adapters.clock.now();
    this.#runtime = this.#compile();
    // Catalog prices have dates and hours: what was compiled yesterday may be wrong today.
    this.#hourly = setInterval(() => {
      this.#runtime = this.#compile();
    }, HOUR_MS);
    this.#hourly.unref();
    this.#watch = watchConfiguration(
      options.source,
      () => this.#load(),
      (result) => this.#take(result),
    );
  }

  static async open(options: LiveRuntimeOptions): Promise<LiveRuntime> {
    const overrides = await readOverrides(options.adapters.store);
    const demo = needsDemo(options.config) ? await startDemo() : undefined;
    return new LiveRuntime(options, { overrides, demo });
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  get config(): Config {
    return this.#config;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Settings such as `server.port` that were changed since the start and wait for the next one. */
  get unheeded(): readonly string[] {
    return this.#unheeded;
  }

  /** Against what a configuration is checked. */
  get known(): KnownNames {
    return knownNames(this.#options.catalog);
  }

  get loadedAt(): number {
    return this.#loadedAt;
  }

  get environment(): ConfigurationSource['environment'] {
    return this.#options.source.environment;
  }

  get path(): string | undefined {
    return this.#options.source.path;
  }

  /** Loads now, changed or not (SIGHUP). */
  reload(): void {
    if (this.#watch !== undefined) this.#watch.reload();
    else this.#take(this.#load());
  }

  /** Reads the price overrides again and compiles anew. */
  async refreshPrices(): Promise<void> {
    this.#overrides = await readOverrides(this.#options.adapters.store);
    this.#runtime = this.#compile();
  }

  /** Compiles anew: a secret has another value. */
  recompile(): void {
    this.#runtime = this.#compile();
  }

  /** Stops watching and ends the simulator. */
  async close(): Promise<void> {
    clearInterval(this.#hourly);
    this.#watch?.close();
    await this.#demo?.close();
  }

  #load(): LoadResult {
    return this.#read(this.#options.overrides?.());
  }

  /** Loads every layer with these admin overrides, without using the result. */
  try(overridesText: string | undefined): LoadResult {
    return heldToStart(this.#read(overridesText), this.#options.config);
  }

  #read(overridesText: string | undefined): LoadResult {
    const { source, catalog, adapters } = this.#options;
    return loadConfiguration(source, catalog, { now: adapters.clock.now(), overridesText });
  }

  /** Takes over what administrators set; resolves when it is in force. */
  async adoptOverrides(): Promise<void> {
    const config = this.#accept(this.#load());
    if (config === undefined) return;
    await this.#adopt(config);
    this.#options.log.info('config.loaded', { hash: this.#runtime.hash });
  }

  #take(result: LoadResult): void {
    const { log } = this.#options;
    const config = this.#accept(result);
    if (config === undefined) return;
    this.#adopt(config).then(
      () => log.info('config.loaded', { hash: this.#runtime.hash }),
      (error: unknown) => log.error('config.adopt_failed', { error: String(error) }),
    );
  }

  /** The configuration to go on with; `undefined` when the newest cannot be used, which is noted and logged. */
  #accept(asked: LoadResult): Config | undefined {
    const { log, adapters, config: started } = this.#options;
    const { config, problems, warnings } = heldToStart(asked, started);
    this.#problems = problems;
    this.#unheeded = asked.config === undefined ? this.#unheeded : waitsForStart(asked.config, started);
    if (config === undefined) {
      const [first] = problems;
      log.error('config.rejected', {
        problems: problems.length,
        path: first?.path,
        problem: first?.problem,
      });
      return undefined;
    }
    for (const { path, problem, remedy } of warnings) log.warn('config.warning', { path, problem, remedy });
    if (this.#unheeded.length > 0) log.warn('config.waits_for_start', { paths: this.#unheeded.join(', ') });
    this.#config = config;
    this.#loadedAt = adapters.clock.now();
    return config;
  }

  async #adopt(config: Config): Promise<void> {
    const { adapters, directory } = this.#options;
    if (needsDemo(config) && this.#demo === undefined) {
      this.#demo = await startDemo();
    }
    await this.#options.resolver?.adopt(config);
    this.#runtime = this.#compile();
    this.#options.onAdopt?.(this.#runtime);
    await syncFileTeams(config, adapters.store, adapters.clock.now());
    await syncFileKeys(config, adapters, adapters.clock.now());
    await directory.load();
    await this.#options.onKeys?.(config);
  }

  #compile(): Runtime {
    const { catalog, source, adapters } = this.#options;
    const demo = needsDemo(this.#config) ? this.#demo?.compiled : undefined;
    return compileRuntime({
      config: this.#config,
      catalog,
      environment: source.environment,
      overrides: this.#overrides,
      demo,
      now: adapters.clock.now(),
      routing: this.routing,
      ...(this.#options.resolver === undefined ? {} : { secretOf: this.#options.resolver.resolve }),
    });
  }
}

/** Demo mode: nobody configured a provider. */
function needsDemo(config: Config): boolean {
  return Object.keys(config.providers).length === 0 && Object.keys(config.models).length === 0;
}

async function readOverrides(store: Store): Promise<ReadonlyMap<string, PriceSnapshot>> {
  const overrides = await store.prices.list();
  return new Map(
    overrides.map(({ model, price, updatedAt }) => [
      model,
      { price, source: 'override' as const, asOf: new Date(updatedAt).toISOString() },
    ]),
  );
}
