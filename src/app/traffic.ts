import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { InFlight, type UnderWay } from '../core/resilience/in-flight.ts';
import { type Admittance, LATE_MS, OverloadLadder } from '../core/resilience/overload.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';

const READ_EVERY_MS = 250;
/** The histogram measures timers of this resolution, so an idle loop reads as this. */
const LAG_RESOLUTION_MS = 20;

interface Running extends UnderWay {
  /** Counts up. */
  readonly since: number;
  readonly cancel: () => void;
}

/** Share of the memory this process may use, 0 to 1: of V8's heap, or of a container's limit where that is nearer. */
export function memoryShare(): number {
  const heap = getHeapStatistics();
  const allowed = process.constrainedMemory();
  const limited = allowed > 0 && allowed < Number.MAX_SAFE_INTEGER;
  // Not the resident set: it stays large after a peak whose memory is long free.
  const used = heap.used_heap_size + heap.external_memory;
  return Math.max(heap.used_heap_size / heap.heap_size_limit, limited ? used / allowed : 0);
}

/** What is running, what may be taken on, and when the last answer is out. */
export class Traffic {
  draining = false;
  readonly #ladder = new OverloadLadder();
  readonly #running = new InFlight<Running>();
  readonly #delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  readonly #log: Log;
  readonly #memory: () => number;
  #idle: (() => void) | undefined;
  #begun = 0;

  constructor(ports: { readonly log: Log; readonly metrics: Metrics; readonly memory: () => number }) {
    this.#log = ports.log;
    this.#memory = ports.memory;
    this.#delay.enable();
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
    this.#timer.unref();
    ports.metrics.gauge('sluice_requests_in_flight', () => [{ labels: {}, value: this.#running.size }]);
    ports.metrics.gauge('sluice_memory_share', () => [{ labels: {}, value: ports.memory() }]);
  }

  get running(): number {
    return this.#running.size;
  }

  get admittance(): Admittance {
    return this.#ladder.admittance;
  }

  /** A request begins; `cancel` gives it up when memory is all but gone. Returns what to call at its end. */
  add(cancel: () => void): () => void {
    const running = { slot: -1, cancel, since: this.#begun++ };
    this.#running.add(running);
    return () => {
      if (this.#running.delete(running) && this.#running.size === 0) this.#idle?.();
    };
  }

  /** Resolves when nothing runs any more, or after `ms`. */
  async idle(clock: Clock, ms: number): Promise<void> {
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
      clock.after(ms, resolve);
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  /**
   * Delay that something arriving at a random moment met: the mean weighted by duration, E[d²] ÷ E[d]. It is never above the
   * longest, and to add it up takes 0.4 ms: as long as the longest does not matter, that is the answer.
   */
  #lagMs(): number {
    const longestMs = Math.max(0, this.#delay.max / 1e6 - LAG_RESOLUTION_MS);
    const lagMs = longestMs < LATE_MS ? longestMs : this.#weightedLagMs();
    this.#delay.reset();
    return lagMs;
  }

  #weightedLagMs(): number {
    const { mean, stddev } = this.#delay;
    if (!(mean > 0)) return 0;
    return Math.max(0, (mean * mean + stddev * stddev) / mean / 1e6 - LAG_RESOLUTION_MS);
  }

  #read(): void {
    const lagMs = this.#lagMs();
    const before = this.#ladder.admittance;
    const reading = {
      memory: this.#memory(),
      lagMs,
      running: this.#running.size,
    };
    const now = this.#ladder.read(reading);
    if (now !== before) this.#log.warn('overload', { admittance: now, ...reading });
    if (now !== 'cancel') return;
    // One a reading: its memory is free only when the collector has run.
    let youngest: Running | undefined;
    this.#running.forEach((running) => {
      if (youngest === undefined || running.since > youngest.since) youngest = running;
    });
    youngest?.cancel();
  }
}
