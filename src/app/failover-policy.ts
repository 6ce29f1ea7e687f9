import type { CachePolicy, ModelRoute } from '../pipeline/runtime.ts';
import type { Config, ModelConfig } from './config/index.ts';

const KILOBYTE = 1024;
const MEGABYTE = 1_048_576;
/** Where `hedge` names neither a time nor a percentile. */
const DEFAULT_PERCENTILE = 95;

/** What a model says about slow beginnings and broken ends. */
export function compileFailover(model: ModelConfig | undefined): Pick<ModelRoute, 'hedge' | 'onCut'> {
  if (model === undefined) return {};
  const { hedge } = model;
  return {
    onCut: model.on_cut,
    ...(hedge === undefined
      ? {}
      : {
          hedge: {
            afterMs: hedge.after_ms,
            percentile: hedge.percentile ?? (hedge.after_ms === undefined ? DEFAULT_PERCENTILE : undefined),
            maxPercent: hedge.max_percent,
          },
        }),
  };
}

/** What is shared between equal requests; `undefined` when nothing is. */
export function compileCache(config: Config): CachePolicy | undefined {
  const { exact, single_flight: flight } = config.cache;
  const singleFlight = flight.enabled ?? exact.enabled;
  if (!exact.enabled && !singleFlight) return undefined;
  return {
    exact: exact.enabled,
    singleFlight,
    ttlMs: exact.ttl_s * 1000,
    maxBytes: exact.max_mb * MEGABYTE,
    maxEntryBytes: exact.max_entry_kb * KILOBYTE,
    onlyDeterministic: exact.only_deterministic,
    scope: exact.scope,
    maxBufferBytes: flight.max_buffer_kb * KILOBYTE,
    maxBuffersBytes: flight.max_total_mb * MEGABYTE,
  };
}
