/**
 * Ties a call at an upstream to a client that may leave before its answer is complete. While nothing else holds it, the
 * call is given up as soon as the client leaves; a drain (an exact bill is wanted) or requests that wait for the same answer
 * hold it longer.
 */
export class Tether {
  readonly #controller = new AbortController();
  #holds = 0;
  #left = false;
  #ended = false;
  #onLeave: (() => void) | undefined;
  #onEnd: (() => void) | undefined;

  constructor(client: AbortSignal) {
    if (client.aborted) this.leave();
    else client.addEventListener('abort', () => this.leave(), { once: true });
  }

  /** Aborts when the call is to be given up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The call is to be read on, although nobody takes what it says. */
  get holds(): boolean {
    return this.#holds > 0 && !this.#controller.signal.aborted;
  }

  /** Holds the call until the returned function is called. */
  hold(): () => void {
    this.#holds++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds--;
      this.#settle();
    };
  }

  /** Calls back once when the client leaves before the end, before it is decided whether anything holds the call. */
  onLeave(callback: () => void): void {
    this.#onLeave = callback;
  }

  /** The client takes nothing any more. */
  leave(): void {
    if (this.#left || this.#ended) return;
    this.#left = true;
    this.#onLeave?.();
    this.#settle();
  }

  /** Calls back once when the exchange has ended. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
  }

  /** The exchange has ended; nothing is left to be given up. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd?.();
  }

  #settle(): void {
    if (this.#left && this.#holds === 0 && !this.#ended) this.#controller.abort();
  }
}

/** The tether of an exchange, made on first use. From then on its calls end when the tether says so. */
export function tetherOf(exchange: {
  readonly signal: AbortSignal;
  callSignal?: AbortSignal;
  tether?: Tether;
}): Tether {
  exchange.tether ??= new Tether(exchange.signal);
  exchange.callSignal = exchange.tether.signal;
  return exchange.tether;
}

/** A stream whose reader may go away: it is then read on for as long as the tether holds. */
export function tethered<Item>(source: AsyncIterable<Item>, tether: Tether): AsyncIterable<Item> {
  const items = source[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => items.next(),
      async return() {
        tether.leave();
        try {
          while (tether.holds) if ((await items.next()).done === true) break;
        } catch {
          // It broke off: what was read until then is billed.
        } finally {
          await items.return?.();
        }
        return { done: true, value: undefined };
      },
    }),
  };
}
