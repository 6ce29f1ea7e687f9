import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (how: { type: 'major'; execution: 'async' }) => unknown;

/** So many bytes of large bodies are worth a collection. */
const WORTH_BYTES = 64 * 1024 * 1024;
/** Only after nothing large has come for this long. Milliseconds. */
const QUIET_MS = 3000;

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}

/**
 * Gives the memory of large bodies back. What a body of 30 MB leaves behind is old by V8's measure, and an idle process does
 * not collect it: without this it stays resident until other requests have filled the heap (RELIABILITY S2). One collection
 * follows each burst, when it is over.
 */
export class Reclaim {
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #collect: Collect | undefined;

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
    this.#collect ??= collector();
    void this.#collect({ type: 'major', execution: 'async' });
  }
}
