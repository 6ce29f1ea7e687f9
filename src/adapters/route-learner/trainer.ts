import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../ports/clock.ts';
import type { RouteTrainer, TrainWish } from '../../ports/route-trainer.ts';
import { threadEntry } from '../system/thread-entry.ts';
import type { TrainerCall, TrainerReply } from './protocol.ts';

/** The thread ends when nothing was asked for so long: learning is rare. Milliseconds. */
const IDLE_MS = 30_000;
/** Labels copied to the thread at a time: about a millisecond. */
const PART = 500;

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that starts with the first question and ends when there are none. */
class ThreadTrainer implements RouteTrainer {
  readonly #priorPath: string | undefined;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #next = 1;
  #cancelIdle: (() => void) | undefined;

  constructor(clock: Clock, priorPath: string | undefined) {
    this.#clock = clock;
    this.#priorPath = priorPath;
  }

  test: RouteTrainer['test'] = (wish) =>
    this.#ask((worker, id) => worker.postMessage({ id, kind: 'test', wish } satisfies TrainerCall));

  train: RouteTrainer['train'] = (wish) =>
    this.#ask((worker, id) => void this.#handOver(worker, { id, wish }));

  async close(): Promise<void> {
    this.#cancelIdle?.();
    const worker = this.#worker;
    this.#fail(new Error('The trainer is closed.'));
    await worker?.terminate();
  }

  #ask<T>(say: (worker: Worker, id: number) => void): Promise<T> {
    const worker = this.#start();
    this.#cancelIdle?.();
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      say(worker, id);
    });
  }

  /** Thousands of labels take longer to copy than a request may wait: they go in parts, with turns for requests in between. */
  async #handOver(
    worker: Worker,
    { id, wish }: { readonly id: number; readonly wish: TrainWish },
  ): Promise<void> {
    const { examples } = wish;
    for (let from = 0; from < examples.length && this.#waiting.has(id); from += PART) {
      const part = examples.slice(from, from + PART);
      worker.postMessage({ id, kind: 'part', examples: part } satisfies TrainerCall);
      await setImmediate();
    }
    if (this.#waiting.has(id))
      worker.postMessage({ id, kind: 'train', wish: { ...wish, examples: [] } } satisfies TrainerCall);
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(threadEntry('route-learner', import.meta.url), {
      workerData: { priorPath: this.#priorPath },
    });
    // It must not keep the process alive.
    worker.unref();
    worker.on('message', (reply: TrainerReply) => this.#answer(reply));
    worker.on('error', (error: Error) => this.#fail(error));
    worker.on('exit', () => {
      if (this.#worker === worker) this.#fail(new Error('The trainer ended.'));
    });
    this.#worker = worker;
    return worker;
  }

  #answer({ id, value, error }: TrainerReply): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value as never);
    else waiting?.reject(new Error(error));
    if (this.#waiting.size > 0) return;
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => {
      const worker = this.#worker;
      this.#worker = undefined;
      void worker?.terminate();
    });
  }

  #fail(error: Error): void {
    this.#worker = undefined;
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of lost) reject(error);
  }
}

/** Opens the trainer; `priorPath` is the file of shipped weights. */
export function openTrainer(clock: Clock, priorPath: string | undefined): RouteTrainer {
  return new ThreadTrainer(clock, priorPath);
}
