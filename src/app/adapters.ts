import { chmodSync, statSync } from 'node:fs';
import { readProxies } from '../adapters/http1/outbound-proxies.ts';
import { openUpstream } from '../adapters/http1/upstream.ts';
import { openFreeJournal } from '../adapters/journal/slots.ts';
import { createMemoryEventBus } from '../adapters/memory/event-bus.ts';
import { createMemoryMetrics } from '../adapters/memory/metrics.ts';
import { openSqlite } from '../adapters/sqlite/open.ts';
import { systemClock } from '../adapters/system/clock.ts';
import { createHeadFile } from '../adapters/system/head-file.ts';
import { createSystemRandom } from '../adapters/system/random.ts';
import { AuditLog } from '../control/audit.ts';
import { DAY_MS } from '../core/durations.ts';
import { SluiceError } from '../core/errors/error.ts';
import { BudgetBook } from '../core/policy/budget.ts';
import { RateLimiter } from '../core/policy/rate.ts';
import type { Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { OwnedObjects } from '../ports/owned-objects.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import type { Upstream } from '../ports/upstream.ts';
import { type Auditing, openAuditing } from './auditing.ts';
import { createAuthorizers } from './authorization.ts';
import type { Config } from './config/index.ts';
import type { ConfigurationSource } from './configuration.ts';
import { createOwnedObjects } from './owned-objects.ts';
import { makeFolders } from './paths.ts';
import { createRedactingLog } from './redacting-log.ts';
import { createResilience, type Resilience } from './resilience.ts';
import { SecretResolver } from './secret-resolver.ts';
import { openVault, type Vault } from './vault.ts';

/** What adapters are opened with. */
export interface AdapterOptions {
  readonly config: Config;
  readonly source: ConfigurationSource;
  readonly log: Log;
}

/** Everything that holds a resource. */
export interface Adapters extends Resilience, Vault {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly metrics: Metrics;
  readonly events: EventBus;
  readonly book: BudgetBook;
  readonly limiter: RateLimiter;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly auditing: Auditing;
  readonly resolver: SecretResolver;
  readonly objects: OwnedObjects;
}

/** Makes the data directory, for its owner only. Throws `ledger_unavailable` when it cannot be used. */
export function makeDataDirectory(dataDir: string): void {
  try {
    makeFolders(dataDir);
    // Before anything is changed: what is no folder (a device, somebody's file) is left as it is.
    if (!statSync(dataDir).isDirectory()) throw new Error('It is no folder.');
    chmodSync(dataDir, 0o700);
  } catch (cause) {
    throw new SluiceError(
      'ledger_unavailable',
      `The data directory ${dataDir} cannot be used: it is no folder, or this user may not write there. Choose another with --data-dir or SLUICE_DATA_DIR.`,
      { cause },
    );
  }
}

function openStorage(config: Config, dataDir: string, log: Log) {
  const clock = systemClock;
  const journal = openFreeJournal(dataDir, {
    clock,
    durability: config.storage.sync === 'full' ? 'disk' : 'kernel',
  });
  return openSqlite({
    directory: dataDir,
    journal,
    clock,
    log,
    retention: {
      maxAgeMs: config.log.retention_days * DAY_MS,
      maxBytes: config.log.max_mb * 1_048_576,
      maxHourlyAgeMs: config.log.hourly_usage_days * DAY_MS,
      maxDailyAgeMs: config.log.daily_usage_days * DAY_MS,
    },
  });
}

/** Opens them in order; closes what is open when a later one fails. Throws `SluiceError`. */
export async function openAdapters(options: AdapterOptions, dataDir: string): Promise<Adapters> {
  const { config, source } = options;
  const { store, ledger } = await openStorage(config, dataDir, options.log);
  try {
    const clock = systemClock;
    const metrics = createMemoryMetrics();
    const vault = await openVault(dataDir, source.environment, { store, clock });
    const heads = [createHeadFile(`${dataDir}/audit.head`)];
    const audit = new AuditLog({ store, secrets: vault.secrets, clock, heads });
    await audit.open();
    const proxies = readProxies(source.environment);
    const upstream = openUpstream({
      maxConnections: 512,
      maxHeaderBytes: config.upstream.max_header_bytes,
      proxies,
    });
    const authorizers = createAuthorizers({ clock, upstream });
    // What the resolver itself logs holds no secret.
    const { environment } = source;
    const known = { ...vault, store, clock, upstream, authorizers, environment, log: options.log };
    const resolver = new SecretResolver(config, known);
    const log = createRedactingLog(options.log, () => resolver.secrets());
    await resolver.adopt(config);
    const shared = { ...vault, clock, metrics, store, ledger, upstream, authorizers, audit, resolver, log };
    const events = createMemoryEventBus();
    return {
      ...shared,
      ...createResilience({ clock, metrics }),
      random: createSystemRandom(() => clock.now()),
      events,
      auditing: openAuditing(config, { ...shared, proxies, events, resolve: resolver.resolve }),
      book: new BudgetBook(),
      limiter: new RateLimiter(),
      objects: createOwnedObjects(shared),
    };
  } catch (error) {
    await ledger.close();
    await store.close();
    throw error;
  }
}

/** Lets go of all of them. */
export async function closeAdapters(adapters: Adapters): Promise<void> {
  adapters.resolver.close();
  await adapters.auditing.close();
  await adapters.upstream.close();
  // The ledger first: it flushes into the store.
  await adapters.ledger.close();
  await adapters.store.close();
}
