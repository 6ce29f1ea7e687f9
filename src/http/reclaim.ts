import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (how: { type: 'major'; flavor: 'last-resort'; execution: 'async' }) => unknown;

/** So many bytes of large bodies are worth a collection. */
const WORTH_BYTES = 64 * 1024 * 1024;
/** Only after nothing large has come for this long. Milliseconds. */
const QUIET_MS = 3000;

/** Requests whose traces are worth a collection. */
const WORTH_REQUESTS = 10_000;
/** Without a request for so long a gateway that has just started, or has worked, is at rest. Milliseconds. */
const QUIET_AFTER_START_MS = 1000;
const QUIET_AFTER_WORK_MS = 30_000;

let collector: Collect | undefined;

/**
 * A full collection that also makes the young generation small again, which others leave at the size it had under load. It
 * takes tens of milliseconds, so it is for moments when nobody waits.
 */
function giveBack(): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as Collect;
    setFlagsFromString('--no-expose-gc');
  }
  void collector({ type: 'major', flavor: 'last-resort', execution: 'async' });
}

/**
 * Gives the memory of large bodies back. What a body of 30 MB leaves behind is old by V8's measure, and an idle process does
 * not collect it: without this it stays resident until other requests have filled the heap (RELIABILITY S2). One collection
 * follows each burst, when it is over.
 */
export class Reclaim {
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /** A body of so many bytes is done with. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < WORTH_BYTES) return;
    if (this.#timer !== undefined) this.#timer.refresh();
    else {
      this.#timer = setTimeout(() => this.#now(), QUIET_MS);
      this.#timer.unref();
    }
  }

  #now(): void {
    this.#timer = undefined;
    this.#bytes = 0;
    giveBack();
  }
}

/** Gives back what a start, and later what a busy time has left, once the gateway is at rest. */
export class RestReclaim {
  readonly #collect: () => void;
  #seen = 0;
  #quietSince: number;
  #collectedAt: number | undefined;

  /** `now` is of the same clock as later readings, milliseconds. */
  constructor(now: number, collect: () => void = giveBack) {
    this.#quietSince = now;
    this.#collect = collect;
  }

  /** A reading, taken from time to time: how many requests have begun so far and how many run. */
  read(now: number, { begun, running }: { readonly begun: number; readonly running: number }): void {
    if (running > 0 || begun !== this.#seen) {
      this.#seen = begun;
      this.#quietSince = now;
      return;
    }
    const isFirst = this.#collectedAt === undefined;
    if (!isFirst && begun - (this.#collectedAt ?? 0) < WORTH_REQUESTS) return;
    if (now - this.#quietSince < (isFirst ? QUIET_AFTER_START_MS : QUIET_AFTER_WORK_MS)) return;
    this.#collectedAt = begun;
    this.#collect();
  }
}
