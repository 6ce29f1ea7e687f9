import type { RateLimits } from '../core/policy/virtual-key.ts';
import type { OutlierPolicy } from '../core/resilience/outliers.ts';
import type { Deployment } from '../pipeline/runtime.ts';
import type { DeploymentSettings, RateLimitsConfig } from './config/index.ts';

/** Where a deployment's provider has no entry in the file (`queue` of the schema has the same values). */
const DEFAULT_QUEUE = { max_depth: 200, max_wait_ms: 15_000 };

function limitsOf(given: RateLimitsConfig | undefined): RateLimits | undefined {
  if (given === undefined) return undefined;
  const { rpm, tpm, concurrency } = given;
  if (rpm === undefined && tpm === undefined && concurrency === undefined) return undefined;
  return {
    ...(rpm === undefined ? {} : { rpm }),
    ...(tpm === undefined ? {} : { tpm }),
    ...(concurrency === undefined ? {} : { concurrency }),
  };
}

/** What holds for calls to a deployment: when its circuit opens, its limits, and where calls wait for them. */
export function compileUpstreamPolicy(
  settings: DeploymentSettings,
): Pick<Deployment, 'circuit' | 'limits' | 'providerLimits' | 'queue'> {
  const { circuit } = settings;
  const queue = settings.queue ?? DEFAULT_QUEUE;
  return {
    circuit: {
      failures: circuit.failures,
      failurePercent: circuit.failure_percent,
      minRequests: circuit.min_requests,
      windowMs: circuit.window_s * 1000,
      openMs: circuit.open_s * 1000,
      maxOpenMs: circuit.max_open_s * 1000,
      slowStartMs: circuit.slow_start_s * 1000,
    },
    limits: limitsOf(settings.limits),
    providerLimits: limitsOf(settings.providerLimits),
    queue: { maxDepth: queue.max_depth, maxWaitMs: queue.max_wait_ms },
  };
}

/** When an outlier is left out of a model's deployments; `undefined` never. */
export function compileOutliers({ outliers }: DeploymentSettings): OutlierPolicy | undefined {
  if (!outliers.enabled) return undefined;
  return {
    errorPercent: outliers.error_percent,
    latencyFactor: outliers.latency_factor,
    minRequests: outliers.min_requests,
    ejectMs: outliers.eject_s * 1000,
    maxEjectMs: outliers.max_eject_s * 1000,
  };
}
