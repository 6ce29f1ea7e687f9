import { createHttpsSink } from '../adapters/audit-sinks/https.ts';
import { createSyslogSink } from '../adapters/audit-sinks/syslog.ts';
import type { OutboundProxies } from '../adapters/http1/outbound-proxies.ts';
import type { AuditLog } from '../control/audit.ts';
import { AuditShipper, type NamedSink } from '../control/audit-shipper.ts';
import { operator } from '../control/caller.ts';
import { RefusalNotes } from '../control/refusal-notes.ts';
import type { ExchangeRecord } from '../core/cost/exchange.ts';
import { HOUR_MS } from '../core/durations.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Store } from '../ports/store.ts';
import type { Upstream } from '../ports/upstream.ts';
import { type AuditSinkConfig, type Config, configHash } from './config/index.ts';
import { mayBePrivate } from './secret-stores.ts';
import { VERSION } from './version.ts';

export interface AuditingPorts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly events: EventBus;
  readonly upstream: Upstream;
  readonly proxies: OutboundProxies | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** What a text of the configuration that may be a reference stands for. */
  readonly resolve: (text: string) => string | undefined;
}

/** What goes on around the audit log while the gateway runs. */
export interface Auditing {
  readonly refusals: RefusalNotes;
  /** Notes that a newer configuration came into force, and sends the log where it says. */
  adopt(config: Config): Promise<void>;
  close(): Promise<void>;
}

/** Refusals of calls by policy. Those by rate limits are daily business and stand in the log of exchanges. */
const NOTED: ReadonlySet<string> = new Set([
  'budget_exceeded',
  'forbidden',
  'model_forbidden',
  'region_refused',
  'approval_required',
  'guardrail_blocked',
]);

/** How often the chain's head goes into the operational log, which is kept elsewhere. */
const HEAD_MS = HOUR_MS;

/** Which budget refused, and its figures at that moment. */
function figuresOf({ error, ruling }: ExchangeRecord): Readonly<Record<string, unknown>> {
  if (error !== 'budget_exceeded' || ruling === undefined) return {};
  const { refusal } = JSON.parse(ruling) as { readonly refusal?: Readonly<Record<string, unknown>> };
  return refusal ?? {};
}

function noteExchange(refusals: RefusalNotes, record: ExchangeRecord): void {
  if (record.outcome !== 'refused' || record.error === undefined || !NOTED.has(record.error)) return;
  refusals.note({
    action: record.error === 'budget_exceeded' ? 'budgets.refused' : 'exchanges.refused',
    target: record.keyId ?? '',
    organization: record.place?.organizationId ?? DEFAULT_ORGANIZATION_ID,
    caller: { actor: record.keyId === undefined ? 'nobody' : `key:${record.keyId}`, address: '' },
    details: {
      error: record.error,
      exchange: record.id,
      model: record.model.slice(0, 256),
      ...figuresOf(record),
    },
  });
}

function sinkOf(config: AuditSinkConfig, ports: AuditingPorts): NamedSink {
  const { name, batch_size: batchSize, timeout_ms: timeoutMs } = config;
  const named = { name, batchSize, timeoutMs };
  if (config.type === 'syslog') {
    const { host, port, transport, format, facility } = config;
    const url = `http://${host.includes(':') ? `[${host}]` : host}`;
    const allowPrivateNetwork = mayBePrivate(url, config.allow_private_network);
    const to = { host, port, transport, format, facility, caFile: config.ca_file, allowPrivateNetwork };
    return { ...named, sink: createSyslogSink({ ...to, version: VERSION }) };
  }
  const resolved = () =>
    Object.fromEntries(
      Object.entries(config.headers).map(([header, text]) => {
        const value = ports.resolve(text);
        // Entries wait in the log itself: better later than without the collector's token.
        if (value === undefined) throw new Error('A header of the sink is not known yet.');
        return [header.toLowerCase(), value];
      }),
    );
  const sink = createHttpsSink({
    ...ports,
    url: config.url,
    secret: () => {
      const value = config.secret === undefined ? undefined : ports.resolve(config.secret);
      // Unsigned entries would be taken for forged ones.
      if (config.secret !== undefined && value === undefined)
        throw new Error('The sink’s secret is not known yet.');
      return value;
    },
    headers: resolved,
    caFile: config.ca_file,
    timeoutMs,
    allowPrivateNetwork: mayBePrivate(config.url, config.allow_private_network),
  });
  return { ...named, sink };
}

/** Notes refusals, sends the log to its sinks and tells its head. */
export function openAuditing(config: Config, ports: AuditingPorts): Auditing {
  const refusals = new RefusalNotes(ports);
  const stop = ports.events.subscribe((record) => noteExchange(refusals, record));
  let shippers: readonly AuditShipper[] = [];
  let sent: Config['audit'] | undefined;
  let cancelHead: () => void = () => undefined;

  async function tellHead(): Promise<void> {
    cancelHead();
    cancelHead = ports.clock.after(HEAD_MS, () => void tellHead());
    const head = await ports.audit.head().catch(() => undefined);
    if (head !== undefined) ports.log.info('audit.head', { sequence: head.sequence, hash: head.hash });
  }

  function ship(newer: Config): void {
    if (JSON.stringify(newer.audit) === JSON.stringify(sent)) return;
    sent = newer.audit;
    for (const shipper of shippers) shipper.close();
    shippers = newer.audit.sinks.map((sink) => new AuditShipper(sinkOf(sink, ports), ports));
  }

  let hash = configHash(config);

  async function adopt(newer: Config): Promise<void> {
    ship(newer);
    const details = { before: { hash }, after: { hash: configHash(newer) } };
    if (details.after.hash === hash) return;
    hash = details.after.hash;
    // The file is in force already: what cannot be refused any more can only be told.
    const entry = { action: 'config.load', target: '', details };
    await ports.audit.append(operator('system', ''), entry).catch((error: unknown) => {
      ports.log.error('audit.config_not_written', { error: String(error) });
    });
  }

  ship(config);
  void tellHead();
  return {
    refusals,
    adopt,
    async close() {
      stop();
      cancelHead();
      await refusals.close();
      for (const shipper of shippers) shipper.close();
    },
  };
}
