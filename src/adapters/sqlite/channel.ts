import { Worker } from 'node:worker_threads';
import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import { threadEntry } from '../system/thread-entry.ts';
import { fromPlain } from './failure.ts';
import type { IngestReport } from './ingest.ts';
import type { Call, WorkerMessage, WorkerStart } from './protocol.ts';

/** How the worker is called. */
export interface ChannelOptions {
  readonly start: WorkerStart;
  /** The worker's program; for tests of threads that misbehave. */
  readonly entry?: URL;
  readonly clock: Clock;
  /** After which a call fails with `ledger_unavailable`. */
  readonly timeoutMs: number;
  /** Calls waiting at once; above it calls fail with `overloaded`. */
  readonly maxPending: number;
  /** The worker died and will be started again. */
  readonly onCrash: (reason: string) => void;
  /** The worker is ready (again). */
  readonly onReady: (recovered: IngestReport) => void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SluiceError) => void;
  readonly cancelTimer: () => void;
}

const RESTART_MS = 1000;

/** Calls into the worker thread, with a bounded queue and a time limit each. A worker that dies is started again. */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker;
  #next = 1;
  #ready = false;
  #closing = false;
  #exited: Promise<unknown>;
  #cancelRestart: (() => void) | undefined;

  private constructor(options: ChannelOptions) {
    this.#options = options;
    this.#worker = newWorker(options);
    this.#exited = new Promise((resolve) => this.#worker.once('exit', resolve));
  }

  /** Starts the worker and waits until it has migrated and recovered. Throws what it refused with. */
  static async open(options: ChannelOptions): Promise<Channel> {
    const channel = new Channel(options);
    await channel.#attach();
    return channel;
  }

  /** Calls a method of the worker. `timeoutMs` overrides the channel's. */
  call(noun: string, method: string, args: readonly unknown[], timeoutMs?: number): Promise<unknown> {
    if (this.#closing || !this.#ready) {
      return Promise.reject(unavailable('The storage is not running; try again in a moment.'));
    }
    if (this.#waiting.size >= this.#options.maxPending) {
      const sentence = 'Too many questions are waiting for the storage; try again in a moment.';
      return Promise.reject(new SluiceError('overloaded', sentence, { retryAfterS: 1 }));
    }
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#options.clock.after(timeoutMs ?? this.#options.timeoutMs, () => {
        this.#waiting.delete(id);
        reject(unavailable('The storage did not answer in time; try again in a moment.'));
      });
      this.#waiting.set(id, { resolve, reject, cancelTimer });
      this.#worker.postMessage({ id, noun, method, args } satisfies Call);
    });
  }

  /** Lets the worker finish what it has and waits for its end. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#cancelRestart?.();
      this.#worker.postMessage({ id: 0, noun: 'worker', method: 'close', args: [] } satisfies Call);
      const cancel = this.#options.clock.after(this.#options.timeoutMs, () => this.#worker.terminate());
      await this.#exited;
      cancel();
    }
    await this.#exited;
  }

  #attach(): Promise<void> {
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      let refusal = unavailable('The storage could not be started.');
      worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'ready') {
          this.#ready = true;
          this.#options.onReady(message.recovered);
          resolve();
        } else if (message.kind === 'refused') {
          refusal = fromPlain(message.error);
        } else {
          this.#answer(message);
        }
      });
      worker.on('error', (error) => {
        refusal = new SluiceError('ledger_unavailable', refusal.message, { cause: error });
      });
      worker.once('exit', () => {
        const wasReady = this.#ready;
        this.#ready = false;
        this.#failAll();
        reject(refusal);
        if (wasReady && !this.#closing) {
          this.#restartLater(String(refusal.facts.cause ?? 'the thread ended'));
        }
      });
    });
  }

  #restartLater(reason: string): void {
    this.#options.onCrash(reason);
    this.#cancelRestart = this.#options.clock.after(RESTART_MS, () => {
      this.#worker = newWorker(this.#options);
      this.#exited = new Promise((resolve) => this.#worker.once('exit', resolve));
      this.#attach().catch((error: SluiceError) => {
        if (!this.#closing) {
          this.#restartLater(error.message);
        }
      });
    });
  }

  #answer(message: Extract<WorkerMessage, { id: number }>): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) {
      return;
    }
    this.#waiting.delete(message.id);
    waiting.cancelTimer();
    if (message.kind === 'value') {
      waiting.resolve(message.value);
    } else {
      waiting.reject(fromPlain(message.error));
    }
  }

  #failAll(): void {
    for (const waiting of this.#waiting.values()) {
      waiting.cancelTimer();
      waiting.reject(unavailable('The storage stopped; try again in a moment.'));
    }
    this.#waiting.clear();
  }
}

function newWorker({ start, entry }: ChannelOptions): Worker {
  return new Worker(entry ?? threadEntry('sqlite-worker', import.meta.url), {
    workerData: start,
    name: 'sqlite',
    // Rows on their way to the database die young; without a bound this thread would take as much as the one with the requests.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
}

function unavailable(sentence: string): SluiceError {
  return new SluiceError('ledger_unavailable', sentence, { retryAfterS: 5 });
}
