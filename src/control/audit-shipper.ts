import type { AuditSink } from '../ports/audit-sink.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Store } from '../ports/store.ts';
import type { AuditLog } from './audit.ts';

export interface ShipperPorts {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** A sink with its name and its limits. */
export interface NamedSink {
  readonly name: string;
  readonly sink: AuditSink;
  readonly batchSize: number;
  readonly timeoutMs: number;
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** Other processes may append too, and tell nobody. */
const LOOK_MS = 5000;
/** One line about failures in this time, with the number of those that were not told. */
const TELL_MS = 60_000;

/**
 * Sends the audit log to one sink, in order and at least once: how far it got is kept in the database, and moves on only
 * when the sink has taken a batch. What waits lies in the log itself, so a sink that is down takes no memory, and nobody
 * waits for it.
 */
export class AuditShipper {
  readonly #ports: ShipperPorts;
  readonly #to: NamedSink;
  readonly #stop = new AbortController();
  readonly #unsubscribe: () => void;
  #cancel: () => void = () => undefined;
  #sent: number | undefined;
  #running = false;
  #again = false;
  #waitMs = 0;
  #toldAt: number | undefined;
  #untold = 0;

  constructor(to: NamedSink, ports: ShipperPorts) {
    this.#ports = ports;
    this.#to = to;
    this.#unsubscribe = ports.audit.onAppend(() => this.#wake());
    this.#wake();
  }

  /** Lets go of the sink; what is under way is sent again after the next start. */
  close(): void {
    this.#stop.abort();
    this.#unsubscribe();
    this.#cancel();
    this.#to.sink.close();
  }

  get #setting(): string {
    return `audit/sink/${this.#to.name}`;
  }

  /** A sink that fails is left alone until its wait is over. */
  #wake(): void {
    if (this.#running) this.#again = true;
    else if (this.#waitMs === 0) this.#run();
  }

  #run(): void {
    if (this.#stop.signal.aborted) return;
    this.#cancel();
    this.#running = true;
    this.#again = false;
    void this.#sendAll()
      .then(
        () => {
          if (this.#waitMs > 0) this.#ports.log.info('audit.sink_takes_again', { sink: this.#to.name });
          this.#waitMs = 0;
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#running = false;
        if (this.#stop.signal.aborted) return;
        const soon = this.#again && this.#waitMs === 0 ? 0 : LOOK_MS;
        this.#cancel = this.#ports.clock.after(this.#waitMs || soon, () => this.#run());
      });
  }

  async #sendAll(): Promise<void> {
    const { store, clock, metrics } = this.#ports;
    const { sink, batchSize, timeoutMs, name } = this.#to;
    this.#sent ??= Number((await store.settings.get(this.#setting))?.value ?? 0);
    while (!this.#stop.signal.aborted) {
      const batch = await store.audit.after(this.#sent, batchSize);
      const last = batch.at(-1);
      if (last === undefined) return;
      await sink.send(batch, AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]));
      this.#sent = last.sequence;
      const value = String(last.sequence);
      await store.settings.put({ name: this.#setting, value, updatedAt: clock.now(), expiresAt: undefined });
      metrics.count('sluice_audit_batches_total', { sink: name });
    }
  }

  #failed(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const { clock, log, metrics } = this.#ports;
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs === 0 ? FIRST_WAIT_MS : this.#waitMs * 2);
    metrics.count('sluice_audit_sink_failures_total', { sink: this.#to.name });
    const now = clock.monotonic();
    if (this.#toldAt !== undefined && now - this.#toldAt < TELL_MS) {
      this.#untold += 1;
      return;
    }
    const problem = error instanceof Error ? error.message : 'unknown';
    log.warn('audit.sink_failed', { sink: this.#to.name, problem, suppressed: this.#untold });
    this.#toldAt = now;
    this.#untold = 0;
  }
}
