import { SluiceError } from '../../core/errors/error.ts';

/** Somebody who waits for a place. */
interface Waiting {
  readonly go: () => void;
}

/**
 * The connections that one origin may have at once. Who finds none free waits in order, here and not inside undici: there a
 * request whose client has left would stay, with its body, until a connection became free.
 */
export class Line {
  readonly #places: number;
  readonly #waiting = new Set<Waiting>();
  #busy = 0;

  constructor(places: number) {
    this.#places = places;
  }

  /** Takes a place if one is free. */
  take(): boolean {
    if (this.#busy >= this.#places) return false;
    this.#busy++;
    return true;
  }

  /** Gives a place back: to who has waited longest, if anyone. */
  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#busy--;
      return;
    }
    this.#waiting.delete(next);
    next.go();
  }

  /** Calls `go` with a place, or `failed` when there was none for `limitMs` (0: no limit). Returns how to stop waiting. */
  wait(limitMs: number, go: () => void, failed: (error: SluiceError) => void): () => void {
    const leave = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    };
    const waiting: Waiting = {
      go() {
        clearTimeout(timer);
        go();
      },
    };
    const timer = limitMs > 0 ? setTimeout(giveUp, limitMs) : undefined;
    function giveUp(): void {
      leave();
      failed(
        new SluiceError(
          'upstream_timeout',
          'No connection to the provider became free in time (`max_connections` of the provider). Try again in a moment.',
        ),
      );
    }
    this.#waiting.add(waiting);
    return leave;
  }
}
