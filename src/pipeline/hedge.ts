import type { Tried } from './carrier.ts';
import { givenUp, ownCalls } from './charge.ts';
import { type Candidate, type Exchange, extend, type Facts, type Grant } from './exchange.ts';
import { type FundPorts, fund } from './fund.ts';
import type { HedgeBudget } from './hedge-policy.ts';
import { KEPT_FIELDS } from './kept-state.ts';
import type { Sendable } from './prepare.ts';
import { attemptRecord, type Begun, callSignal, type Trial, tryDeployment, type Work } from './trial.ts';

/** What hedged calls are made with. */
export interface Hedge<In, Prepared extends Sendable, Out> {
  readonly work: Work<In, Prepared, Out>;
  readonly funds: FundPorts;
  readonly budget: HedgeBudget;
}

type Asking = Tried & { readonly grant?: Grant };

/** One of two calls that run beside each other, with facts of its own until it is known which one answers. */
interface Leg<In, Out> {
  readonly trial: Trial;
  readonly exchange: In;
  readonly startedAt: number;
  readonly startedMono: number;
  readonly result: Promise<Begun<Out>>;
  giveUp(): void;
}

/** Operations that may be asked for twice without any other effect than their price. */
const REPEATABLE: ReadonlySet<string> = new Set(['chat', 'embeddings', 'rerank', 'moderations']);

/** A request that continues what one account keeps is answered there or nowhere. */
function isPinned(exchange: Exchange & { readonly body?: object }): boolean {
  const { body } = exchange;
  return body !== undefined && KEPT_FIELDS.some((field) => field in body);
}

function begin<In extends Asking, Prepared extends Sendable, Out>(
  { work }: Hedge<In, Prepared, Out>,
  exchange: In,
  trial: Trial,
): Leg<In, Out> {
  const controller = new AbortController();
  const giveUp = () => controller.abort();
  const outer = callSignal(exchange);
  if (outer.aborted) giveUp();
  else outer.addEventListener('abort', giveUp, { once: true });
  const facts: Facts = { ...exchange.facts, attempts: [], billed: undefined };
  const leg = { ...exchange, facts, callSignal: controller.signal };
  return {
    trial,
    exchange: leg,
    startedAt: work.ports.clock.now(),
    startedMono: work.ports.clock.monotonic(),
    result: tryDeployment(work, leg, trial),
    giveUp,
  };
}

/** The first that begins; rejects with the failure of the first when none does. */
function firstToBegin<In, Out>(
  legs: readonly Leg<In, Out>[],
): Promise<{ readonly leg: Leg<In, Out>; readonly begun: Begun<Out> }> {
  return new Promise((resolve, reject) => {
    const failures = new Map<Leg<In, Out>, unknown>();
    for (const leg of legs) {
      leg.result.then(
        (begun) => resolve({ leg, begun }),
        (error: unknown) => {
          failures.set(leg, error);
          const [first] = legs;
          if (failures.size === legs.length && first !== undefined) reject(failures.get(first));
        },
      );
    }
  });
}

/** What is owed for a call that lost, and what the log says of it. */
function lose<In extends Asking, Out>(leg: Leg<In, Out>, now: number): void {
  const { facts } = leg.exchange;
  if (facts.calling !== undefined) {
    const latencyMs = now - leg.startedMono;
    facts.attempts = [
      ...facts.attempts,
      attemptRecord(leg.trial, { startedAt: leg.startedAt, latencyMs }, { error: 'superseded' }),
    ];
  }
  const lost = facts.deployment === undefined ? givenUp(leg.exchange) : undefined;
  const calls = lost === undefined ? ownCalls(leg.exchange) : [lost];
  facts.calling = undefined;
  if (calls.length > 0) facts.billed = [...(facts.billed ?? []), ...calls];
  leg.giveUp();
  // It may have begun in the meantime: nobody takes its answer.
  leg.result.then(
    ({ place }) => place.end({ kind: 'neutral' }),
    () => undefined,
  );
}

/** Attempts and bills of all calls, in the facts of the one that goes on. */
function merge<In extends Asking, Out>(exchange: In, facts: Facts, legs: readonly Leg<In, Out>[]): void {
  const before = exchange.facts;
  const others = legs.map((leg) => leg.exchange.facts);
  const billed = [before, ...others].flatMap((one) => one.billed ?? []);
  const attempts = [before, ...others].flatMap((one) => one.attempts);
  const skipped = before.skipped;
  Object.assign(facts, { attempts, billed: billed.length === 0 ? undefined : billed });
  if (skipped !== undefined) facts.skipped = skipped;
  extend(exchange, { facts });
}

/** A second deployment of the same model with room and money for it. */
async function startSecond<In extends Asking, Prepared extends Sendable, Out>(
  hedge: Hedge<In, Prepared, Out>,
  exchange: In,
  { trial, queue }: { readonly trial: Trial; readonly queue: Candidate[] },
): Promise<Leg<In, Out> | undefined> {
  const { fleet, clock, retries, admission } = hedge.work.ports;
  const { route } = trial.candidate;
  const now = clock.monotonic();
  const at = queue.findIndex(
    ({ route: of, deployment }) =>
      of === route && fleet.sound(deployment, now) && fleet.usable(deployment, now),
  );
  const candidate = queue[at];
  if (candidate === undefined || !hedge.budget.take(route.name, route.hedge?.maxPercent ?? 0, now)) return;
  if (!retries.take(exchange.runtime.maxRetryPercent, now)) return;
  const { deployment } = candidate;
  if ((await fund(hedge.funds, exchange, { deployment, besides: true })) !== undefined) return;
  // A call that is read on for the bill alone need not be faster.
  if (exchange.signal.aborted) return;
  const place = admission.tryEnter(exchange, deployment);
  if (place === undefined) return;
  queue.splice(queue.indexOf(candidate), 1);
  // It is the second try already: what fails here is not tried again in place.
  const once = { ...route, retries: { ...route.retries, attempts: 0 } };
  return begin(hedge, exchange, {
    candidate: { ...candidate, route: once },
    place,
    kind: 'hedge',
    last: false,
  });
}

/** Resolves to true when the call has not begun (or failed) after `ms`. */
function isLate(leg: Leg<unknown, unknown>, ms: number, after: (ms: number, then: () => void) => () => void) {
  return new Promise<boolean>((resolve) => {
    const cancel = after(ms, () => resolve(true));
    const settled = () => {
      cancel();
      resolve(false);
    };
    leg.result.then(settled, settled);
  });
}

/**
 * Tries one deployment and, when that has not begun to answer within the policy's delay, a second one beside it. The first
 * to begin answers; the other is given up, and what its provider bills is part of the exchange's cost.
 */
export async function race<In extends Asking, Prepared extends Sendable, Out>(
  hedge: Hedge<In, Prepared, Out>,
  exchange: In,
  given: { readonly trial: Trial; readonly queue: Candidate[] },
): Promise<Begun<Out>> {
  const { work, budget } = hedge;
  const { clock } = work.ports;
  const { deployment, route } = given.trial.candidate;
  budget.request(route.name, clock.monotonic());
  const delay =
    route.hedge === undefined || !REPEATABLE.has(exchange.operation) || isPinned(exchange)
      ? undefined
      : work.times.delay(route.hedge, deployment.id, exchange.envelope.stream);
  if (delay === undefined) return await tryDeployment(work, exchange, given.trial);
  const legs = [begin(hedge, exchange, given.trial)];
  const [first] = legs;
  if (first !== undefined && (await isLate(first, delay, (ms, then) => clock.after(ms, then)))) {
    const second = await startSecond(hedge, exchange, given);
    if (second !== undefined) legs.push(second);
  }
  try {
    const { leg, begun } = await firstToBegin(legs);
    for (const other of legs) if (other !== leg) lose(other, clock.monotonic());
    merge(exchange, leg.exchange.facts, legs);
    return begun;
  } catch (error) {
    merge(exchange, exchange.facts, legs);
    throw error;
  }
}
