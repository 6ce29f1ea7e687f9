/** One step of a request's life. Its output type is the next step's input, so a wrong order does not compile. */
export type Stage<In, Out> = (input: In) => Out | Promise<Out>;

/** How an exchange came to its end; every exchange has exactly one ending. */
export type Ending =
  /** Everything was handed to the client's socket. */
  | { readonly kind: 'answered' }
  /** Nothing but an error went out. */
  | { readonly kind: 'failed'; readonly error: unknown }
  /** The upstream broke off after content had gone out. */
  | { readonly kind: 'cut'; readonly error: unknown }
  /** The client left first. */
  | { readonly kind: 'abandoned' };

/** Something that happens once at the end of an exchange, whatever the ending. Must not throw. */
export type Ender<In> = (exchange: In, ending: Ending) => void | Promise<void>;

/** Holds the enders of an exchange until it ends. */
export interface Endable {
  /** Set by {@link settleOnEnd}; called once by whoever delivers the answer to its last byte. */
  end: ((ending: Ending) => Promise<void>) | undefined;
}

/** Runs stages one after the other. */
export function pipeline<A, B, C>(a: Stage<A, B>, b: Stage<B, C>): Stage<A, C>;
export function pipeline<A, B, C, D, E, F, G>(
  ...stages: [Stage<A, B>, Stage<B, C>, Stage<C, D>, Stage<D, E>, Stage<E, F>, Stage<F, G>]
): Stage<A, G>;
export function pipeline<A, B, C, D, E, F, G, H>(
  ...stages: [Stage<A, B>, Stage<B, C>, Stage<C, D>, Stage<D, E>, Stage<E, F>, Stage<F, G>, Stage<G, H>]
): Stage<A, H>;
export function pipeline(...stages: readonly Stage<unknown, unknown>[]): Stage<unknown, unknown> {
  return async (input) => {
    let value = input;
    for (const stage of stages) {
      const result = stage(value);
      value = result instanceof Promise ? await result : result;
    }
    return value;
  };
}

/** The first stage's answer if it has one, else the second's. */
export function firstOf<In, Out>(
  first: Stage<In, Out | undefined>,
  otherwise: Stage<In, Out>,
): Stage<In, Out> {
  return async (input) => (await first(input)) ?? otherwise(input);
}

/**
 * Binds `enders` to the end of the exchange: at once when a stage throws, else when the deliverer of the answer calls
 * `end`, which for a stream is after its last byte, not after its headers. Each exchange ends once; later calls do nothing.
 */
export function settleOnEnd<In extends Endable, Out>(
  run: Stage<In, Out>,
  enders: readonly Ender<In>[],
): Stage<In, Out> {
  return async (input) => {
    let ended = false;
    input.end = async (ending) => {
      if (ended) return;
      ended = true;
      for (const ender of enders) await ender(input, ending);
    };
    try {
      return await run(input);
    } catch (error) {
      await input.end({ kind: 'failed', error });
      throw error;
    }
  };
}
