import { DEFAULT_ORGANIZATION_ID } from '../../src/core/policy/place.ts';
import type { BudgetRule, RateLimits, VirtualKey } from '../../src/core/policy/virtual-key.ts';
import type { Manners } from './client.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { Draw } from './random.ts';
import type { Dialect } from './wire.ts';

/** One request that comes. */
export interface Arrival {
  readonly atMs: number;
  readonly dialect: Dialect;
  readonly model: string;
  /** The secret that is presented. */
  readonly secret: string;
  readonly stream: boolean;
  readonly maxTokens: number | undefined;
  readonly padding: number;
  readonly includeUsage: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyMs: number;
  readonly manners: Manners;
}

/** A provider's bad time. */
export interface Outage {
  readonly provider: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly fault: Fault;
}

/** Something that happens to the whole gateway. */
export type Incident =
  | { readonly kind: 'crash'; readonly atMs: number; readonly downMs: number }
  | { readonly kind: 'reload'; readonly atMs: number; readonly config: number }
  | { readonly kind: 'clock'; readonly atMs: number; readonly byMs: number }
  | { readonly kind: 'disk'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'drain'; readonly atMs: number };

/** Everything a seed decides beforehand. */
export interface Scenario {
  /** Configurations as a file would hold them; the first one is started with. */
  readonly configs: readonly object[];
  readonly keys: readonly VirtualKey[];
  readonly arrivals: readonly Arrival[];
  readonly incidents: readonly Incident[];
  readonly outages: readonly Outage[];
  /** Share of calls that go wrong outside of outages. */
  readonly faultShare: number;
  /** Faults that are drawn from. */
  readonly faults: readonly Fault[];
  /** Providers keep to `max_tokens` and tell the truth about usage, or nothing. */
  readonly honest: boolean;
  readonly diskMs: number;
  readonly resolutionMs: number;
}

const HOUR_MS = 3_600_000;
const PREFIX = 'sk-sluice-';

function providerEntry(draw: Draw, dialect: Dialect, name: string): object {
  const limits: RateLimits = {
    ...(draw.chance(0.4) ? { concurrency: draw.whole(1, 4) } : {}),
    ...(draw.chance(0.15) ? { rpm: draw.whole(5, 40) } : {}),
  };
  return {
    type: dialect === 'openai-chat' ? 'openai' : 'anthropic',
    base_url: `https://${name}.example${dialect === 'openai-chat' ? '/v1' : ''}`,
    api_keys: Array.from({ length: draw.pick([1, 1, 2, 3]) }, (_, index) => `upstream-${name}-${index}`),
    price: {
      input_usd_per_mtok: draw.pick([0.5, 3, 20]),
      output_usd_per_mtok: draw.pick([1, 15, 75]),
    },
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    queue: { max_depth: draw.pick([0, 1, 10, 10]), max_wait_ms: draw.pick([0, 200, 2000, 10_000]) },
  };
}

interface Names {
  readonly providers: readonly string[];
  readonly models: readonly string[];
}

function modelEntry(draw: Draw, names: Names, own: string): object {
  const count = draw.whole(1, Math.min(3, names.providers.length));
  const providers = [...names.providers].sort(() => draw.uniform() - 0.5).slice(0, count);
  // Only later ones: the configuration refuses circles.
  const others = names.models.slice(names.models.indexOf(own) + 1);
  return {
    deployments: providers.map((provider) => ({
      provider,
      model: `up-${own}`,
      weight: draw.whole(1, 3),
      ...(draw.chance(0.2) ? { limits: { concurrency: draw.whole(1, 2) } } : {}),
    })),
    strategy: draw.pick(['weighted', 'least_busy', 'lowest_latency', 'lowest_cost', 'priority']),
    retries: { attempts: draw.whole(0, 2), backoff_ms: draw.pick([0, 50, 500]), max_backoff_ms: 2000 },
    ...(draw.chance(0.25)
      ? { hedge: { after_ms: draw.pick([20, 200, 1000]), max_percent: draw.pick([10, 100]) } }
      : {}),
    fallbacks: draw.chance(0.5) ? others.slice(0, draw.whole(0, others.length)) : [],
    fallbacks_on: draw.chance(0.3) ? { context_overflow: others.slice(0, 1) } : {},
  };
}

function configOf(draw: Draw, names: Names, dialects: ReadonlyMap<string, Dialect>): object {
  return {
    access: { mode: 'keys' },
    server: { write_stall_timeout_ms: 5000, drain_timeout_ms: 60_000 },
    upstream: {
      timeouts: {
        connect_ms: 1000,
        first_byte_ms: 3000,
        first_byte_reasoning_ms: 3000,
        idle_ms: draw.pick([1000, 4000]),
        progress_idle_ms: 6000,
        total_ms: draw.pick([4000, 15_000]),
      },
      circuit: { failures: draw.whole(2, 5), open_s: 5, max_open_s: 20, min_requests: 10 },
      max_retry_percent: draw.pick([0, 20, 20, 50]),
      max_retry_after_s: 60,
      abandoned: { max_concurrent: draw.pick([0, 2, 64]), max_ms: draw.pick([500, 10_000]) },
    },
    providers: Object.fromEntries(
      names.providers.map((name) => [name, providerEntry(draw, dialects.get(name)!, name)]),
    ),
    models: Object.fromEntries(names.models.map((name) => [name, modelEntry(draw, names, name)])),
  };
}

/** A key as the store has it; its secret is `sk-sluice-` and the number. */
export function storedKey(
  index: number,
  more: Partial<Pick<VirtualKey, 'limits' | 'budget' | 'models' | 'blocked' | 'metadata'>>,
): VirtualKey {
  const id = `key_${index}`;
  return {
    id,
    name: id,
    hash: `hash ${PREFIX}${index}`,
    hint: 'sim0',
    previousHash: undefined,
    previousHashExpiresAt: undefined,
    createdAt: 0,
    expiresAt: undefined,
    blocked: false,
    revokedAt: undefined,
    organizationId: DEFAULT_ORGANIZATION_ID,
    teamId: undefined,
    projectId: undefined,
    userId: undefined,
    serviceAccountId: undefined,
    policy: {},
    limitedBy: [],
    rotation: undefined,
    models: undefined,
    limits: {},
    budget: undefined,
    metadata: {},
    ...more,
  };
}

function keyOf(draw: Draw, index: number, models: readonly string[]): VirtualKey {
  const budget: BudgetRule = {
    limitNano: draw.pick([1_000_000, 10_000_000, 50_000_000, 1_000_000_000]),
    window: draw.pick(['total', 'total', 'day', 'hour']),
    action: draw.pick(['block', 'block', 'block', 'warn']),
  };
  const limits: RateLimits = {
    ...(draw.chance(0.3) ? { concurrency: draw.whole(1, 4) } : {}),
    ...(draw.chance(0.2) ? { rpm: draw.whole(3, 30) } : {}),
    ...(draw.chance(0.1) ? { tpm: draw.whole(500, 20_000) } : {}),
  };
  return storedKey(index, {
    blocked: draw.chance(0.03),
    models: draw.chance(0.15) ? models.slice(0, 1) : undefined,
    limits,
    budget: draw.chance(0.7) ? budget : undefined,
    metadata: draw.chance(0.25) ? { on_client_abort: 'drain' } : {},
  });
}

function mannersOf(draw: Draw, leaving: number): Manners {
  const leaves = draw.chance(leaving);
  const how = leaves ? draw.pick(['time', 'time', 'time', 'bytes', 'end']) : 'stays';
  return {
    // From before the body is read to long after the last byte.
    leavesAfterMs: how === 'time' ? draw.spread(0.05, 30_000) : undefined,
    leavesAfterBytes: how === 'bytes' ? draw.whole(1, 2000) : undefined,
    leavesAtEnd: how === 'end',
    readMs: draw.pick([0, 0, 1, 50, 700]),
    stallsAfterBytes: draw.chance(0.06) ? draw.whole(0, 1500) : undefined,
  };
}

function arrivalsOf(draw: Draw, names: Names, keys: number): Arrival[] {
  const count = draw.whole(3, 36);
  const overMs = draw.pick([5, 500, 20_000, 120_000]);
  const leaving = draw.pick([0, 0.2, 0.7]);
  return Array.from({ length: count }, (): Arrival => {
    const dialect: Dialect = draw.pick(['openai-chat', 'anthropic-messages']);
    const stream = draw.chance(0.6);
    const headers: Record<string, string> = {};
    if (draw.chance(0.05)) headers['x-sluice-timeout-ms'] = String(draw.whole(50, 5000));
    if (draw.chance(0.05)) headers['x-sluice-fallback'] = 'off';
    if (draw.chance(0.2)) headers['x-sluice-session'] = `session-${draw.whole(1, 3)}`;
    return {
      atMs: draw.uniform() * overMs,
      dialect,
      model: draw.chance(0.03) ? 'unheard-of' : draw.pick(names.models),
      secret: draw.chance(0.03) ? `${PREFIX}nobody` : `${PREFIX}${draw.whole(0, keys - 1)}`,
      stream,
      maxTokens:
        draw.chance(0.9) || dialect === 'anthropic-messages'
          ? draw.whole(1, draw.pick([4, 60, 200]))
          : undefined,
      padding: draw.pick([0, 1, 10, 200]),
      includeUsage: draw.chance(0.5),
      headers,
      bodyMs: draw.chance(0.1) ? draw.spread(0.1, 300) : 0,
      manners: mannersOf(draw, leaving),
    };
  }).sort((a, b) => a.atMs - b.atMs);
}

function incidentsOf(draw: Draw, lastMs: number, configs: number): Incident[] {
  const incidents: Incident[] = [];
  const some = (share: number, most: number, make: (atMs: number) => Incident): void => {
    if (!draw.chance(share)) return;
    const count = draw.whole(1, most);
    for (let n = 0; n < count; n++) incidents.push(make(draw.uniform() * (lastMs + 3000)));
  };
  some(0.3, 2, (atMs) => ({ kind: 'crash', atMs, downMs: draw.spread(1, 2000) }));
  if (configs > 1) some(1, 3, (atMs) => ({ kind: 'reload', atMs, config: draw.whole(0, configs - 1) }));
  some(0.25, 3, (atMs) => ({
    kind: 'clock',
    atMs,
    byMs: draw.pick([HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS, 40 * 24 * HOUR_MS, 1500, -1500]),
  }));
  some(0.1, 2, (atMs) => ({ kind: 'disk', atMs, forMs: draw.spread(10, 5000) }));
  some(0.3, 1, (atMs) => ({ kind: 'drain', atMs }));
  return incidents.sort((a, b) => a.atMs - b.atMs);
}

/** Writes a seed's world down. */
export function scenarioOf(draw: Draw): Scenario {
  const providers = Array.from({ length: draw.whole(1, 4) }, (_, index) => `p${index}`);
  const models = Array.from({ length: draw.whole(1, 3) }, (_, index) => `m${index}`);
  const dialects = new Map(
    providers.map((name) => [name, draw.pick<Dialect>(['openai-chat', 'anthropic-messages'])] as const),
  );
  const names = { providers, models };
  const configs = Array.from({ length: draw.chance(0.3) ? 2 : 1 }, () => configOf(draw, names, dialects));
  const keys = Array.from({ length: draw.whole(1, 4) }, (_, index) => keyOf(draw, index, models));
  const arrivals = arrivalsOf(draw, names, keys.length);
  const lastMs = arrivals.at(-1)?.atMs ?? 0;
  const outages = draw.chance(0.4)
    ? providers
        .filter(() => draw.chance(0.6))
        .map((provider): Outage => {
          const fromMs = draw.uniform() * lastMs;
          return { provider, fromMs, toMs: fromMs + draw.spread(100, 60_000), fault: draw.pick(FAULTS) };
        })
    : [];
  const few = Array.from({ length: draw.whole(1, 4) }, () => draw.pick(FAULTS));
  return {
    configs,
    keys,
    arrivals,
    incidents: incidentsOf(draw, lastMs, configs.length),
    outages,
    faultShare: draw.pick([0, 0.1, 0.4, 0.9]),
    faults: draw.chance(0.5) ? few : FAULTS,
    honest: draw.chance(0.6),
    diskMs: draw.pick([0.05, 2, 40]),
    resolutionMs: draw.pick([0, 0, 50]),
  };
}
