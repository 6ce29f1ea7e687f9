import type { ExchangeRecord, Outcome } from '../../core/cost/exchange.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EventBus } from '../../ports/event-bus.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { chargeExchange } from '../charge.ts';
import type { Ender, Ending } from '../compose.ts';
import type { Exchange, Hold, Principal } from '../exchange.ts';

export interface WriteLogPorts {
  readonly ledger: Ledger;
  readonly events: EventBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

function outcomeOf(ending: Ending): Outcome {
  if (ending.kind !== 'failed') return ending.kind;
  const { error } = ending;
  if (!(error instanceof SluiceError)) return 'failed';
  if (error.code === 'client_closed') return 'abandoned';
  return error.blame === 'client' || error.blame === 'policy' ? 'refused' : 'failed';
}

function statusOf(exchange: Exchange, ending: Ending): number {
  if (ending.kind === 'abandoned') return 499;
  if (ending.kind === 'failed') return ending.error instanceof SluiceError ? ending.error.status : 500;
  return exchange.facts.status ?? 200;
}

/** Milliseconds with three decimals: the further digits of a double say nothing and are slow to print. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function toRecord(
  exchange: Exchange & { principal?: Principal; hold?: Hold },
  ending: Ending,
  clock: Clock,
): ExchangeRecord {
  const { facts, client, envelope } = exchange;
  const { usage, cost, price } = chargeExchange(exchange);
  const error = 'error' in ending && ending.error instanceof SluiceError ? ending.error.code : undefined;
  return {
    id: exchange.id,
    clientRequestId: client.clientRequestId,
    startedAt: exchange.startedAt,
    keyId: exchange.principal?.key?.id,
    place: exchange.principal?.place,
    operation: exchange.operation,
    model: envelope.model,
    provider: facts.deployment?.provider.name ?? facts.attempts.at(-1)?.provider,
    upstreamModel: facts.deployment?.model ?? facts.attempts.at(-1)?.upstreamModel,
    format: exchange.codec.id,
    upstreamFormat: facts.upstreamFormat,
    stream: envelope.stream,
    status: statusOf(exchange, ending),
    outcome: outcomeOf(ending),
    error: error ?? ('error' in ending ? 'internal' : undefined),
    finishReason: facts.finish?.reason,
    usage,
    cost,
    price,
    latencyMs: toMicroseconds(clock.monotonic() - exchange.startedMono),
    firstByteMs:
      facts.firstByteAt === undefined ? undefined : toMicroseconds(facts.firstByteAt - exchange.startedMono),
    attempts: facts.skipped === undefined ? facts.attempts : [...facts.attempts, ...facts.skipped],
    cache: facts.cache,
    plan: facts.plan,
    dropped: facts.dropped,
    tags: client.tags,
    user: client.user,
    session: client.session,
    metadata: client.metadata,
    receipt: facts.receipt,
    charges: exchange.hold?.charges,
    ruling: facts.ruling === undefined ? undefined : JSON.stringify(facts.ruling),
  };
}

/** Labels of requests. */
type Labels = Readonly<Record<'format' | 'provider' | 'outcome', string>>;

/** Keeps them: the same few come with every request, and what is counted under them is found by the object. */
class RequestLabels {
  readonly #ofProviders = new Map<string, Labels[]>();

  of(format: string, provider: string, outcome: Outcome): Labels {
    let known = this.#ofProviders.get(provider);
    if (known === undefined) {
      known = [];
      this.#ofProviders.set(provider, known);
    }
    for (const labels of known) if (labels.format === format && labels.outcome === outcome) return labels;
    const labels = Object.freeze({ format, provider, outcome });
    known.push(labels);
    return labels;
  }
}

/** Journals the finished exchange, tells those who watch, and counts it. A failing journal is logged, never thrown. */
export function createWriteLog(ports: WriteLogPorts): Ender<Exchange> {
  const requestLabels = new RequestLabels();
  return (exchange: Exchange & { principal?: Principal }, ending) => {
    const record = toRecord(exchange, ending, ports.clock);
    // Callers nobody knows are counted, not logged: a flood of bad keys must not fill the disk.
    if (exchange.principal !== undefined) {
      ports.ledger.settle(record).catch((error: unknown) => {
        ports.log.error('ledger.settle_failed', { exchange: record.id, error: String(error) });
      });
      ports.events.publish(record);
    }
    const labels = requestLabels.of(record.format, record.provider ?? 'none', record.outcome);
    ports.metrics.count('sluice_requests_total', labels);
    ports.metrics.observe('sluice_request_duration_seconds', labels, record.latencyMs / 1000);
    if (ending.kind === 'failed' && record.outcome === 'failed') {
      const cause = ending.error instanceof SluiceError ? ending.error.cause : ending.error;
      ports.log.warn('exchange.failed', {
        exchange: record.id,
        error: record.error,
        provider: record.provider,
        cause: cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : undefined,
      });
    }
  };
}
