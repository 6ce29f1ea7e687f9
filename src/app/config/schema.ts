import { z } from 'zod';
import { budgets, cache, guardrails, keys, routers, teams } from './sections/policies.ts';
import { access, log, server, sharedState, storage, telemetry } from './sections/server.ts';
import { models, providers, upstream } from './sections/upstream.ts';

/**
 * The whole of `sluice.yaml`. Objects are strict: an unknown key is an error. Units stand last in a key's name
 * (`_ms`, `_s`, `_mb`, `_kb`, `_usd`). Parsing fills every default.
 */
export const configSchema = z
  .strictObject({
    version: z.literal(1).default(1).describe('Version of this file’s layout.'),
    server,
    access,
    storage,
    shared_state: sharedState,
    upstream,
    providers,
    models,
    routers,
    cache,
    guardrails,
    keys,
    teams,
    budgets,
    log,
    telemetry,
  })
  .describe('Configuration of Sluice, an LLM gateway.');

/** Makes every level of a type read-only; the loader freezes the value accordingly. */
export type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

/** A loaded configuration: every default filled, deep-frozen, keys as in the file. */
export type Config = Immutable<z.output<typeof configSchema>>;

/** What may stand in the file, before defaults. */
export type ConfigInput = z.input<typeof configSchema>;

/** Listening address and limits towards clients. */
export type ServerConfig = Config['server'];
/** Who may call. */
export type AccessConfig = Config['access'];
/** Where data is kept; `url` is always filled. */
export type StorageConfig = Config['storage'];
/** Redis, when several nodes share state. */
export type SharedStateConfig = NonNullable<Config['shared_state']>;
/** Limits and timers towards every provider. */
export type UpstreamConfig = Config['upstream'];
/** One upstream account. */
export type ProviderConfig = Config['providers'][string];
/** A model that clients may ask for. */
export type ModelConfig = Config['models'][string];
/** A model at a provider. */
export type DeploymentConfig = ModelConfig['deployments'][number];
/** A price in US dollars per million tokens, as written. */
export type PriceConfig = NonNullable<ProviderConfig['price']>;
/** Timer overrides, milliseconds. */
export type TimeoutsConfig = ProviderConfig['timeouts'];
/** Requests and tokens per minute, requests at once. */
export type RateLimitsConfig = NonNullable<ProviderConfig['limits']>;
/** Where requests wait for an upstream's limits. */
export type QueueConfig = ProviderConfig['queue'];
/** Tries of one deployment. */
export type RetriesConfig = ModelConfig['retries'];
/** When a failing deployment is left alone. */
export type CircuitConfig = ModelConfig['circuit'];
/** A name that stands for a choice of models. */
export type RouterConfig = Config['routers'][string];
/** Exact and semantic cache. */
export type CacheConfig = Config['cache'];
/** A check on prompts and answers; a union by `type`. */
export type GuardrailConfig = Config['guardrails'][number];
/** A virtual key kept in the file. */
export type KeyConfig = Config['keys'][number];
/** A team kept in the file. */
export type TeamConfig = Config['teams'][number];
/** A budget kept in the file. */
export type BudgetConfig = Config['budgets'][number];
/** What is logged. */
export type LogConfig = Config['log'];
/** Metrics and traces. */
export type TelemetryConfig = Config['telemetry'];
