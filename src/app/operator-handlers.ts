import type { BudgetDirectory } from '../control/budget-directory.ts';
import { type Handlers, toTime } from '../control/caller.ts';
import { usdPerMillion } from '../control/exchanges.ts';
import type { KeyDirectory } from '../control/key-directory.ts';
import { pageByName } from '../control/named-pages.ts';
import { isOf } from '../control/rights.ts';
import { completePrice, perSecond, picoPerToken } from '../core/cost/complete-price.ts';
import { nanoToUsd } from '../core/cost/money.ts';
import { SluiceError } from '../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import { configHash, loadConfig, maskSecrets } from './config/index.ts';
import { deploymentRows } from './deployment-rows.ts';
import type { LiveRuntime } from './live-runtime.ts';
import type { Resilience } from './resilience.ts';
import type { SecretResolver } from './secret-resolver.ts';
import { standingWarnings } from './standing-warnings.ts';

export interface OperatorPorts extends Pick<Resilience, 'fleet' | 'admission'> {
  readonly store: Store;
  readonly clock: Clock;
  readonly directory: KeyDirectory;
  readonly live: LiveRuntime;
  readonly spending: { readonly directory: BudgetDirectory };
  readonly resolver: SecretResolver;
  readonly url: () => string;
  readonly version: string;
  readonly ready: () => boolean;
}

/** The first model a newcomer can call: of the demo, of the configuration, or of the catalog. */
function exampleModel(live: LiveRuntime): string {
  const models = live.runtime.listModels();
  const preferred = [
    'gpt-4o-mini',
    'gpt-5-mini',
    'claude-haiku-4-5',
    'claude-sonnet-4-5',
    'gemini-2.5-flash',
  ];
  return (
    preferred.find((name) => models.some((model) => model.name === name)) ?? models[0]?.name ?? 'sim/gpt'
  );
}

type OperatorHandlers = Pick<
  Handlers,
  'getStatus' | 'listModels' | 'listPrices' | 'setPrice' | 'deletePrice' | 'getConfig' | 'validateConfig'
>;

function createStatus(ports: OperatorPorts): Handlers['getStatus'] {
  const { clock, live, directory } = ports;
  const startedAt = clock.now();
  return async (_input, caller) => {
    const { runtime } = live;
    // Other tenants learn that the gateway runs, not how: addresses, paths and counts are its operator's.
    const inside = isOf(caller, DEFAULT_ORGANIZATION_ID);
    const models = runtime.listModels();
    const mode = runtime.accessMode ?? (directory.snapshot().size === 0 ? 'open' : 'keys');
    return {
      version: ports.version,
      started_at: toTime(startedAt),
      uptime_s: Math.round((clock.now() - startedAt) / 1000),
      demo: runtime.demo,
      ready: ports.ready(),
      access_mode: mode,
      base_url: ports.url(),
      config: {
        path: inside ? (live.path ?? null) : null,
        hash: runtime.hash,
        loaded_at: toTime(live.loadedAt),
        problems: (inside ? live.problems : []).map(({ path, problem, remedy }) => ({
          path,
          problem,
          remedy,
        })),
      },
      providers: (inside ? [...runtime.providers.values()] : []).map((provider) => ({
        name: provider.name,
        type: provider.vendor.id,
        base_url: provider.baseUrl ?? provider.vendor.baseUrl ?? '',
        credentials: provider.credentials.length,
        unreadable: provider.unreadable === true,
        resting_credentials: ports.fleet.restingCredentials(provider, clock.monotonic()),
        models: models.filter((model) => model.provider === provider.name).length,
      })),
      deployments: inside ? deploymentRows(ports, runtime.deployments ?? []) : [],
      warnings: inside ? [...standingWarnings(ports)] : [],
      keys: inside
        ? directory.snapshot().size
        : [...directory.keys()].filter((key) => isOf(caller, key.organizationId)).length,
      example_model: exampleModel(live),
    };
  };
}

/** Pico-dollars per second as US dollars per minute, to the six decimals that a price may have. */
function perMinute(pico: number): string {
  return nanoToUsd(Math.round((pico * 60) / 1e6) * 1000);
}

function priceRow(live: LiveRuntime, name: string) {
  const price = live.runtime.resolve(name)?.deployments[0]?.price?.price;
  if (price === undefined) return null;
  return {
    input: usdPerMillion(price.input),
    output: usdPerMillion(price.output),
    cache_read: usdPerMillion(price.cacheRead),
    cache_write_5m: usdPerMillion(price.cacheWrite5m),
  };
}

/** Status, models, prices and configuration: what needs the live runtime. */
export function createOperatorHandlers(ports: OperatorPorts): OperatorHandlers {
  const { live, store, clock } = ports;
  return {
    getStatus: createStatus(ports),
    async listModels(page) {
      const all = live.runtime.listModels().map((model) => ({
        id: model.name,
        provider: model.provider,
        context_tokens: model.contextTokens ?? null,
        max_output_tokens: model.maxOutputTokens ?? null,
        price_usd_per_mtok: priceRow(live, model.name),
      }));
      return page.limit === undefined && page.cursor === undefined
        ? { data: all, next_cursor: null }
        : pageByName(all, page, ({ id }) => id);
    },
    async listPrices(page) {
      const overrides = await store.prices.list();
      const all = overrides.map(({ model, price, updatedAt }) => ({
        model,
        updated_at: toTime(updatedAt),
        input_usd_per_mtok: usdPerMillion(price.input),
        output_usd_per_mtok: usdPerMillion(price.output),
        cache_read_usd_per_mtok: usdPerMillion(price.cacheRead),
        cache_write_usd_per_mtok: usdPerMillion(price.cacheWrite5m),
        ...(price.character === undefined ? {} : { input_usd_per_mchar: usdPerMillion(price.character) }),
        ...(price.audioSecond === undefined ? {} : { audio_usd_per_minute: perMinute(price.audioSecond) }),
      }));
      return pageByName(all, page, ({ model }) => model);
    },
    async deletePrice({ model }) {
      if (!(await store.prices.delete(model))) {
        throw new SluiceError('not_found', 'This model has no price override.', { param: 'model' });
      }
      await live.refreshPrices();
      return { ok: true };
    },
    async setPrice({ model, ...given }) {
      const rate = (usd: number | string | undefined) =>
        usd === undefined ? undefined : picoPerToken(Number(usd));
      const price = completePrice({
        input: rate(given.input_usd_per_mtok),
        output: rate(given.output_usd_per_mtok),
        cacheRead: rate(given.cache_read_usd_per_mtok),
        cacheWrite5m: rate(given.cache_write_usd_per_mtok),
        character: rate(given.input_usd_per_mchar),
        audioSecond: perSecond(given.audio_usd_per_minute),
      });
      await store.prices.put({ model, price, updatedAt: clock.now() });
      await live.refreshPrices();
      return { ok: true };
    },
    async getConfig() {
      return { hash: configHash(live.config), config: maskSecrets(live.config) };
    },
    async validateConfig({ yaml }) {
      const { problems } = loadConfig({ text: yaml, environment: process.env, known: live.known });
      return {
        valid: problems.length === 0,
        problems: problems.map(({ path, line, problem, remedy }) => ({
          path,
          line: line ?? null,
          problem,
          remedy,
        })),
      };
    },
  };
}
