import { describe, expect, it } from 'vitest';
import type { StreamEvent } from '../../src/core/model/index.ts';
import type { Answer } from '../../src/pipeline/exchange.ts';
import type { ModelRoute } from '../../src/pipeline/runtime.ts';
import type { Sabotage } from './gateway.ts';
import { runSeed } from './world.ts';

/** Seeds that are tried until one finds the fault. */
const SEEDS = 80;

/** The first thing that is said about a gateway with this fault and matches. */
async function found(sabotage: Sabotage, what: RegExp): Promise<string | undefined> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = await runSeed(seed, sabotage);
    const match = violations.find((violation) => what.test(violation));
    if (match !== undefined) return match;
  }
  return undefined;
}

/** Every route of a configuration, changed. */
function routes(change: (route: ModelRoute) => ModelRoute): Sabotage {
  return {
    runtime: (runtime) => ({
      ...runtime,
      resolve: (name) => {
        const route = runtime.resolve(name);
        return route === undefined ? undefined : change(route);
      },
    }),
  };
}

/** Streams of events or bytes, changed on their way to the client. */
function streams(change: <T>(pieces: AsyncIterable<T>) => AsyncIterable<T>): Sabotage {
  return {
    chat: (chat) => async (received) => {
      const answered = await chat(received);
      const { answer } = answered;
      let changed: Answer = answer;
      if (answer.kind === 'byte-stream') changed = { ...answer, chunks: change(answer.chunks) };
      if (answer.kind === 'event-stream') changed = { ...answer, events: change(answer.events) };
      return Object.assign(answered, { answer: changed });
    },
  };
}

async function* swallow<T>(pieces: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* pieces;
  } catch {
    // The planted fault: a cut is taken for the end.
  }
}

async function* stutter<T>(pieces: AsyncIterable<T>): AsyncGenerator<T> {
  for await (const piece of pieces) {
    yield piece;
    const says = (event: StreamEvent): boolean => event.type === 'delta';
    if (Array.isArray(piece) && piece.length === 1 && piece.every(says)) yield piece;
  }
}

/** Faults a gateway could have, and what the invariants have to say about each. */
const FAULTS: readonly (readonly [string, Sabotage, RegExp])[] = [
  [
    'money is never settled',
    { adapters: (own) => Object.assign(own, { book: Object.assign(own.book, { settle: () => false }) }) },
    /holds are open at the end|are held at the end/,
  ],
  [
    'an exchange is settled twice',
    {
      adapters: (own) => ({
        ...own,
        ledger: {
          ...own.ledger,
          settle: (record) => own.ledger.settle(record).then(() => own.ledger.settle(record)),
        },
      }),
    },
    /settled 2 times|two rows/,
  ],
  [
    'an exchange is never logged',
    { adapters: (own) => ({ ...own, ledger: { ...own.ledger, settle: async () => undefined } }) },
    /settled 0 times/,
  ],
  [
    'the wrong sum is charged',
    {
      adapters: (own) => ({
        ...own,
        ledger: {
          ...own.ledger,
          settle: (record) =>
            own.ledger.settle(
              record.cost === undefined
                ? record
                : { ...record, cost: { ...record.cost, total: Math.floor(record.cost.total / 2) } },
            ),
        },
      }),
    },
    /charged \d+, owes \d+/,
  ],
  [
    'the provider is called before the hold is written',
    {
      adapters: (own) => ({
        ...own,
        ledger: {
          ...own.ledger,
          hold: async (record) => void own.ledger.hold(record),
        },
      }),
    },
    /before the hold was durable/,
  ],
  [
    'budgets are not asked',
    {
      adapters: (own) => {
        const reserve = own.book.reserve.bind(own.book);
        own.book.reserve = (wish, now) => reserve({ ...wish, force: true }, now);
        return own;
      },
    },
    /nano-dollars spent or held, \d+ allowed/,
  ],
  [
    'the provider is not told that the client left',
    {
      adapters: (own) => ({
        ...own,
        upstream: {
          ...own.upstream,
          send: (request) => own.upstream.send(request, new AbortController().signal),
        },
      }),
    },
    /still works after its (client left|end)/,
  ],
  [
    'a place in the limits is never given back',
    {
      adapters: (own) => {
        const acquire = own.limiter.acquire.bind(own.limiter);
        own.limiter.acquire = (...asked) => {
          const decision = acquire(...asked);
          if (decision.granted) decision.lease.release = () => undefined;
          return decision;
        };
        return own;
      },
    },
    /places are taken at the end/,
  ],
  [
    'limits of a provider are forgotten',
    routes((route) => ({
      ...route,
      deployments: route.deployments.map((deployment) => ({
        ...deployment,
        limits: undefined,
        providerLimits: undefined,
      })),
    })),
    /calls at once are more than its limit/,
  ],
  [
    'a queue has no bound',
    routes((route) => ({
      ...route,
      deployments: route.deployments.map((deployment) => ({
        ...deployment,
        queue: { ...deployment.queue, maxDepth: 1_000_000, maxWaitMs: 10_000 },
      })),
    })),
    /\d+ wait, \d+ may/,
  ],
  [
    'retries know no budget',
    { adapters: (own) => Object.assign(own, { retries: Object.assign(own.retries, { take: () => true }) }) },
    /retry storm/,
  ],
  [
    'no deployment is left',
    routes((route) => ({ ...route, deployments: [] })),
    /nothing was tried|no_provider/,
  ],
  ['a cut looks like the end', streams(swallow), /0 endings and 0 errors|looks complete/],
  ['words come twice', streams(stutter), /got ".*", said was/],
  [
    'a request waits for ever',
    {
      adapters: (own) => ({
        ...own,
        ledger: { ...own.ledger, hold: () => new Promise<void>(() => undefined) },
      }),
    },
    /hangs for ever|hang for ever/,
  ],
  [
    'timers are never cancelled',
    {
      adapters: (own) => ({
        ...own,
        clock: {
          now: () => own.clock.now(),
          monotonic: () => own.clock.monotonic(),
          after: (ms, callback) => {
            own.clock.after(ms, callback);
            return () => undefined;
          },
        },
      }),
    },
    /a timer outlived/,
  ],
];

describe('the invariants can fail', () => {
  it.each(FAULTS)('when %s', async (_, sabotage, what) => {
    expect(await found(sabotage, what)).toBeDefined();
  });
});
