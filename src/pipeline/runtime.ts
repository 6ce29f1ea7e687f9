import type { PriceSnapshot } from '../core/cost/price.ts';
import type { ModelProfile } from '../core/model/index.ts';
import type { RateLimits } from '../core/policy/virtual-key.ts';
import type { Strategy } from '../core/resilience/balance.ts';
import type { CircuitPolicy } from '../core/resilience/circuit.ts';
import type { OutlierPolicy } from '../core/resilience/outliers.ts';
import type { Quirks } from '../formats/codec.ts';
import type { UpstreamTimeouts } from '../ports/upstream.ts';
import type { Provider } from '../providers/provider.ts';
import type { Routing } from './routing.ts';

/** A provider as the operator configured it: vendor data plus where and with which credentials. */
export interface ConfiguredProvider {
  /** The name in config and in `provider/model`. */
  readonly name: string;
  readonly vendor: Provider;
  /** The operator's base URL without a trailing slash; the vendor's own when absent. */
  readonly baseUrl: string | undefined;
  /** A pool; empty when the vendor needs none or when clients bring their own. */
  readonly credentials: readonly string[];
  readonly quirks: Quirks;
  /** Sent on every call, lower-case names; vendor headers included. */
  readonly headers: Readonly<Record<string, string>>;
  readonly region: string | undefined;
  readonly allowPrivateNetwork: boolean;
  /** Open connections to it at once; absent: the adapter's own number. */
  readonly maxConnections?: number;
  /** Vendor-specific facts for authorisers (AWS keys, cloud project, API version). */
  readonly settings: Readonly<Record<string, string>>;
  /** The operator's credential is in `settings` and an authorizer makes headers of it; clients' own are not used then. */
  readonly signed?: boolean;
  /** A secret that the configuration names could not be read yet: no call is made, and no other credential takes its place. */
  readonly unreadable?: boolean;
}

/** One place a model can be reached: provider + model + region + credential pool. */
export interface Deployment {
  /** Unique in a runtime, for example `openai/gpt-4o`. */
  readonly id: string;
  readonly provider: ConfiguredProvider;
  /** The upstream's name of the model. */
  readonly model: string;
  readonly weight: number;
  /** Groups of a model's deployments: the lowest number first, the next only when nothing of it is usable. Default 1. */
  readonly priority?: number;
  readonly timeouts: UpstreamTimeouts & {
    /** Longest time in which a stream sends only pings and no content. Milliseconds; 0 switches it off. */
    readonly progressIdleMs: number;
  };
  readonly circuit: CircuitPolicy;
  /** The upstream's limits on this deployment, and on all of its provider's together. */
  readonly limits: RateLimits | undefined;
  readonly providerLimits: RateLimits | undefined;
  /** Where requests wait while limits are used up. */
  readonly queue: QueuePolicy;
  readonly profile: ModelProfile;
  readonly price: PriceSnapshot | undefined;
}

/** How many requests may wait for a deployment, and how long. */
export interface QueuePolicy {
  readonly maxDepth: number;
  readonly maxWaitMs: number;
}

/** When and how often the same deployment is tried again. */
export interface RetryPolicy {
  /** Further tries at one deployment after the first. */
  readonly attempts: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

/** A model name the gateway answers to. */
export interface ModelRoute {
  readonly name: string;
  /** Of a route that stands in no configuration (`provider/model`, a passthrough): configured models that lead there too. */
  readonly aliases?: readonly string[] | undefined;
  readonly deployments: readonly Deployment[];
  readonly strategy: Strategy;
  /** When a deployment is left out because it does much worse than the model's others; absent never. */
  readonly outliers?: OutlierPolicy | undefined;
  readonly retries: RetryPolicy;
  /** Other models, in order. */
  readonly fallbacks: readonly string[];
  /** Other models by cause of the failed attempt: `context_overflow`, `content_filter`, `rate_limit`. */
  readonly fallbacksOn: Readonly<Record<string, readonly string[]>>;
  /** Present: a second deployment is asked when the first is slow to begin. */
  readonly hedge?: HedgePolicy | undefined;
  /** What becomes of a stream that breaks off after content: an error event, or a new call after a visible marker. */
  readonly onCut?: 'error' | 'restart';
}

/** When a second deployment is asked although the first has not failed. */
export interface HedgePolicy {
  /** Milliseconds without a beginning. With `percentile`: while too little is known, and at the least. */
  readonly afterMs: number | undefined;
  /** Of the deployment's own times to the beginning of an answer, 0 to 100. */
  readonly percentile: number | undefined;
  /** At most this share of the model's requests. Percent. */
  readonly maxPercent: number;
}

/** Answers that are shared by equal requests. */
export interface CachePolicy {
  /** Finished answers are kept. */
  readonly exact: boolean;
  /** Equal requests at the same time make one call. */
  readonly singleFlight: boolean;
  readonly ttlMs: number;
  readonly maxBytes: number;
  readonly maxEntryBytes: number;
  /** Only requests whose answer is meant to be the same every time: `temperature: 0` or a seed. */
  readonly onlyDeterministic: boolean;
  readonly scope: 'key' | 'team' | 'organization';
  /** Of one answer under way, kept for requests that join late. */
  readonly maxBufferBytes: number;
  /** Of all answers under way together. */
  readonly maxBuffersBytes: number;
}

/** One line of a model listing. */
export interface ListedModel {
  readonly name: string;
  readonly provider: string;
  readonly contextTokens: number | undefined;
  readonly maxOutputTokens: number | undefined;
}

/** Everything a request needs of the configuration, immutable. A request keeps the one it started with (DESIGN §4). */
export interface Runtime {
  /** Changes with every accepted configuration. */
  readonly hash: string;
  readonly demo: boolean;
  /** `undefined`: open on loopback until the first virtual key exists. */
  readonly accessMode: 'open' | 'keys' | undefined;
  readonly maxBodyBytes: number;
  readonly maxJsonDepth: number;
  readonly maxAnswerBytes: number;
  /** Largest event of a stream. */
  readonly maxEventBytes: number;
  /** How much of an upstream's refusal is read (F4). */
  readonly maxErrorBytes: number;
  /** A streamed answer is cut off here. */
  readonly maxStreamBytes: number;
  /** Further attempts as a share of requests. Percent. */
  readonly maxRetryPercent: number;
  /** A vendor's `retry-after` is cut to this. Seconds. */
  readonly maxRetryAfterS: number;
  /** Absent where neither cache nor single flight is on. */
  readonly cache?: CachePolicy | undefined;
  /** Answers read to their end although the client left: how many at once, and how long each. */
  readonly abandoned?: { readonly maxConcurrent: number; readonly maxMs: number };
  readonly providers: ReadonlyMap<string, ConfiguredProvider>;
  /** Deployments that the configuration names, each once. */
  readonly deployments?: readonly Deployment[];
  /** A configured model, `provider/model`, or a catalog model of a configured provider. */
  resolve(model: string): ModelRoute | undefined;
  /** Whether a name is configured or known, and not only taken because a lone provider takes any name. */
  serves?(model: string): boolean;
  /** One configured provider and a model of it, whatever the configured models say; for calls pinned to a provider. */
  reach(provider: string, model: string): ModelRoute | undefined;
  /** Routers; absent where none is configured and none watches. */
  readonly routing?: Routing | undefined;
  /** What `GET /v1/models` shows. */
  listModels(): readonly ListedModel[];
  /** Names close to one that does not resolve, best first, for the error's sentence. */
  suggest(model: string): readonly string[];
}
