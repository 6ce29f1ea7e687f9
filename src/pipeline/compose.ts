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
export function pipeline<A, B, C, D>(a: Stage<A, B>, b: Stage<B, C>, c: Stage<C, D>): Stage<A, D>;
export function pipeline<A, B, C, D, E, F, G>(
  ...stages: [Stage<A, B>, Stage<B, C>, Stage<C, D>, Stage<D, E>, Stage<E, F>, Stage<F, G>]
): Stage<A, G>;
export function pipeline<A, B, C, D, E, F, G, H>(
  ...stages: [Stage<A, B>, Stage<B, C>, Stage<C, D>, Stage<D, E>, Stage<E, F>, Stage<F, G>, Stage<G, H>]
): Stage<A, H>;
export function pipeline<A, B, C, D, E, F, G, H, I>(
  ...stages: [
    Stage<A, B>,
    Stage<B, C>,
    Stage<C, D>,
    Stage<D, E>,
    Stage<E, F>,
    Stage<F, G>,
    Stage<G, H>,
    Stage<H, I>,
  ]
): Stage<A, I>;
export function pipeline(...stages: readonly Stage<unknown, unknown>[]): Stage<unknown, unknown> {
  return (input) => runFrom(stages, 0, input);
}

/** Goes on in the same turn as long as stages answer at once: most do, and a promise costs more than what they do. */
function runFrom(stages: readonly Stage<unknown, unknown>[], first: number, input: unknown): unknown {
  let value = input;
  for (let at = first; at < stages.length; at++) {
    const result = stages[at]?.(value);
    if (result instanceof Promise) return result.then((next) => runFrom(stages, at + 1, next));
    value = result;
  }
  return value;
}

/** The first stage's answer if it has one, else the second's. */
export function firstOf<In, Out>(
  first: Stage<In, Out | undefined>,
  otherwise: Stage<In, Out>,
): Stage<In, Out> {
  return (input) => {
    const found = first(input);
    if (found instanceof Promise) return found.then((answer) => answer ?? otherwise(input));
    return found ?? otherwise(input);
  };
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
      for (const ender of enders) {
        const more = ender(input, ending);
        if (more !== undefined) await more;
      }
    };
    try {
      return await run(input);
    } catch (error) {
      await input.end({ kind: 'failed', error });
      throw error;
    }
  };
}
