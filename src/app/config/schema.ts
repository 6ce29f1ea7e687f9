import { z } from 'zod';
import { audit } from './sections/audit.ts';
import { cache, guardrails, keys, teams } from './sections/policies.ts';
import { routers, routing } from './sections/routers.ts';
import { secrets } from './sections/secrets.ts';
import { access, log, server, sharedState, storage, telemetry } from './sections/server.ts';
import { signIn } from './sections/sign-in.ts';
import { budgets, rateLimits } from './sections/spending.ts';
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
    sign_in: signIn,
    storage,
    shared_state: sharedState,
    upstream,
    providers,
    models,
    routers,
    routing,
    cache,
    guardrails,
    keys,
    teams,
    budgets,
    rate_limits: rateLimits,
    secrets,
    audit,
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

/** Limits and timers towards every provider. */
export type UpstreamConfig = Config['upstream'];
/** Secret stores that references are read from. */
export type SecretsConfig = Config['secrets'];
/** A place the audit log is sent to. */
export type AuditSinkConfig = Config['audit']['sinks'][number];
/** One upstream account. */
export type ProviderConfig = Config['providers'][string];
/** A model that clients may ask for. */
export type ModelConfig = Config['models'][string];
/** A model at a provider. */
export type DeploymentConfig = ModelConfig['deployments'][number];
/** A price in US dollars per million tokens, as written. */
export type PriceConfig = NonNullable<ProviderConfig['price']>;
/** Requests and tokens per minute, requests at once. */
export type RateLimitsConfig = NonNullable<ProviderConfig['limits']>;
/** Where requests wait for an upstream's limits. */
export type QueueConfig = ProviderConfig['queue'];
/** A name that stands for a choice of models. */
export type RouterConfig = Config['routers'][string];
/** A virtual key kept in the file. */
export type KeyConfig = Config['keys'][number];
/** A budget kept in the file. */
export type BudgetConfig = Config['budgets'][number];
