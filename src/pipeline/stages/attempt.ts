import type { AttemptKind } from '../../core/cost/exchange.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { Sessions } from '../../core/resilience/sessions.ts';
import type { Place } from '../admission.ts';
import { sessionOf } from '../affinity.ts';
import type { Carrier, Tried } from '../carrier.ts';
import type { Stage } from '../compose.ts';
import { outOfTime, timeLeft } from '../deadline.ts';
import { DeadlineWatch } from '../deadline-watch.ts';
import type { Drains } from '../drains.ts';
import { type Answer, type Answered, type Candidate, extend, type Grant, type Routed } from '../exchange.ts';
import { isFallback, tooSmall } from '../fallback-fit.ts';
import { fund } from '../fund.ts';
import { type Hedge, race } from '../hedge.ts';
import { BeginningTimes, HedgeBudget } from '../hedge-policy.ts';
import { type Prepared, prepare, type Sendable } from '../prepare.ts';
import { receive } from '../receive.ts';
import { restarts, resumable } from '../resume.ts';
import {
  attemptRecord,
  type Begun,
  type Trial,
  type TrialPorts,
  toError,
  tryDeployment,
  type Work,
} from '../trial.ts';

export interface AttemptPorts extends TrialPorts {
  readonly sessions: Sessions;
  readonly drains: Drains;
}

/** Words under `fallbacks_on` in the configuration, by error code. */
const CAUSES: Readonly<Record<string, string>> = {
  context_overflow: 'context_overflow',
  upstream_content_filter: 'content_filter',
  upstream_rate_limited: 'rate_limit',
};

/** Failures that say nothing about the next deployment: it may carry the feature, or be configured completely. */
const ONLY_HERE: ReadonlySet<string> = new Set(['unsupported_feature', 'no_provider']);

/** Where a request is in its list of candidates. */
interface Search {
  readonly queue: Candidate[];
  readonly causesUsed: Set<string>;
  /** Why it failed so far. Made only when it is thrown: an error's stack costs more than the rest of this stage. */
  failure: SluiceError | undefined;
  tried: number;
  /** The deployments with open circuits were taken up. */
  resorted: boolean;
  /** The window that the prompt did not fit into. Tokens. */
  overflowed: number | undefined;
}

type Asking = Tried & { readonly grant?: Grant };

function kindOf(exchange: Asking, candidate: Candidate): AttemptKind | undefined {
  if (isFallback(exchange, candidate)) return 'fallback';
  return exchange.facts.attempts.length === 0 ? undefined : 'failover';
}

/** Passes a place over, with a note for the log. */
function skip(ports: AttemptPorts, exchange: Asking, told: { candidate: Candidate; why: SluiceError }): void {
  const { candidate, why } = told;
  exchange.facts.skipped ??= [];
  exchange.facts.skipped.push(
    attemptRecord(
      { candidate, kind: 'skipped' },
      { startedAt: ports.clock.now(), latencyMs: 0 },
      { error: why.code },
    ),
  );
}

/** Whether a fallback may take the request: it can hold the prompt, and the budgets can pay it. Notes it where not. */
async function mayTake(
  ports: AttemptPorts,
  exchange: Asking,
  told: { candidate: Candidate; search: Search },
): Promise<boolean> {
  const { candidate, search } = told;
  const { deployment } = candidate;
  const why =
    tooSmall(exchange, deployment, search.overflowed) ?? (await fund(ports, exchange, { deployment }));
  if (why === undefined) return true;
  skip(ports, exchange, { candidate, why });
  return false;
}

/**
 * Takes the next candidate out of the queue, with a place at it: of one model's deployments the first that has room now,
 * else the first after waiting. A first attempt is free; a further one is free where the deployment was sound when last
 * asked, and else taken from the retry budget. `undefined` when nothing is left. Throws when a wait was in vain.
 */
async function takeNext(
  ports: AttemptPorts,
  exchange: Asking,
  search: Search,
): Promise<{ candidate: Candidate; place: Place } | undefined> {
  const { admission, clock, fleet, retries } = ports;
  const { queue } = search;
  const further = exchange.facts.attempts.length > 0;
  for (let head = queue[0]; head !== undefined; head = queue[0]) {
    // Without a turn of the event loop in between: of requests that come together only one may probe an open circuit.
    const costsMore = isFallback(exchange, head) || exchange.facts.billed !== undefined;
    if (costsMore && !(await mayTake(ports, exchange, { candidate: head, search }))) {
      queue.shift();
      continue;
    }
    const now = clock.monotonic();
    if (further && !fleet.sound(head.deployment, now)) {
      if (!retries.take(exchange.runtime.maxRetryPercent, now)) {
        queue.shift();
        continue;
      }
    }
    for (let at = 0; at < queue.length; at++) {
      const candidate = queue[at];
      if (candidate?.route !== head.route) break;
      const { deployment } = candidate;
      if (at > 0 && !(fleet.sound(deployment, now) && fleet.usable(deployment, now))) continue;
      if (at > 0 && isFallback(exchange, candidate)) break;
      const place = admission.tryEnter(exchange, deployment);
      if (place === undefined) continue;
      queue.splice(at, 1);
      return { candidate, place };
    }
    queue.shift();
    return { candidate: head, place: await admission.enter(exchange, head.deployment, queue.length === 0) };
  }
  return undefined;
}

/** The session's next request is to find the same deployment. */
function keepSession(ports: AttemptPorts, exchange: Asking, place: Place): void {
  if (exchange.grant === undefined) return;
  const session = sessionOf(exchange, exchange.grant.route);
  if (session === undefined) return;
  const home = { deployment: place.deployment.id, credential: exchange.facts.credential };
  ports.sessions.keep(session, home, ports.clock.monotonic());
}

/** The provider's name and what to do, added to a failure that has gone through every candidate. */
function explain(failure: SluiceError, exchange: Tried, tried: number): SluiceError {
  const { retryAfterS = 0 } = failure.facts;
  const { maxRetryAfterS } = exchange.runtime;
  // Some vendors name the next day; a client that obeys would never come back (F3).
  if (retryAfterS > maxRetryAfterS) {
    const facts = { ...failure.facts, retryAfterS: maxRetryAfterS, cause: failure.cause };
    return explain(new SluiceError(failure.code, failure.message, facts), exchange, tried);
  }
  if (failure.blame !== 'upstream' || failure.facts.provider !== undefined) return failure;
  const provider =
    exchange.facts.attempts.at(-1)?.provider ?? exchange.candidates[0]?.deployment.provider.name;
  if (provider === undefined) return failure;
  const places = tried > 1 ? ` (${tried} places were tried)` : '';
  return new SluiceError(failure.code, `\`${provider}\`: ${failure.message}${places}`, {
    ...failure.facts,
    provider,
    cause: failure.cause,
  });
}

/**
 * Decides what a failure means for the rest of the list; false: nothing else is tried. Other models for its cause come
 * next where the request itself is at fault, and after the model's own deployments where only its limits are.
 */
function goesOn(
  exchange: Asking,
  search: Search,
  failed: { latest: SluiceError; candidate?: Candidate },
): boolean {
  const { latest, candidate } = failed;
  const { queue } = search;
  const never = latest.retry === 'never';
  const cause = CAUSES[latest.code];
  let others: readonly Candidate[] = [];
  if (latest.code === 'context_overflow') search.overflowed = candidate?.deployment.profile.contextTokens;
  if (cause !== undefined && !search.causesUsed.has(cause)) {
    search.causesUsed.add(cause);
    others = exchange.candidatesOn(cause);
  }
  if (never && others.length > 0) {
    // Where it is refused for what it says, the model's other deployments would refuse it too.
    const rest = queue.filter(({ route }) => route !== candidate?.route);
    queue.splice(0, queue.length, ...others, ...rest);
    return true;
  }
  if (others.length > 0) {
    const at = queue.findIndex(({ route }) => route !== (candidate ?? queue[0])?.route);
    queue.splice(at < 0 ? queue.length : at, 0, ...others);
  }
  if (!never || ONLY_HERE.has(latest.code)) return true;
  // A fallback's refusal says nothing about the next one.
  return candidate !== undefined && isFallback(exchange, candidate) && cause !== undefined;
}

/** When all had to be passed over, an open circuit is a better chance than none: the last deployment is never given up (R7). */
function resorts({ spared = [] }: Asking, search: Search): boolean {
  if (search.tried > 0 || search.resorted || spared.length === 0) return false;
  search.resorted = true;
  search.queue.push(...spared);
  return true;
}

/** Tries candidates until one has begun to answer. Throws why none did. */
async function search<In extends Asking, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  exchange: In,
  hedge: Hedge<In, Prepared, Out>,
): Promise<Begun<Out>> {
  const state: Search = {
    queue: [...exchange.candidates],
    causesUsed: new Set(),
    failure: undefined,
    tried: 0,
    resorted: false,
    overflowed: undefined,
  };
  for (;;) {
    let candidate: Candidate | undefined;
    try {
      const next = await takeNext(ports, exchange, state);
      if (next === undefined) {
        if (!resorts(exchange, state)) break;
        continue;
      }
      candidate = next.candidate;
      const kind = kindOf(exchange, candidate);
      const trial: Trial = { ...next, kind, last: state.queue.length === 0 };
      return candidate.route.hedge === undefined
        ? await tryDeployment(hedge.work, exchange, trial)
        : await race(hedge, exchange, { trial, queue: state.queue });
    } catch (error) {
      const latest = toError(error);
      // A fallback that cannot carry the request must not hide why the first one failed.
      if (state.tried === 0 || latest.code !== 'unsupported_feature') state.failure = latest;
      state.tried++;
      if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
      // A wait in vain says itself what it waited for.
      if (candidate !== undefined && timeLeft(exchange, ports.clock.monotonic()) <= 0) {
        throw explain(outOfTime(), exchange, state.tried);
      }
      if (!goesOn(exchange, state, candidate === undefined ? { latest } : { latest, candidate })) break;
    }
  }
  const failure = state.failure ?? new SluiceError('no_provider', 'No provider serves this model right now.');
  throw explain(failure, exchange, state.tried);
}

/**
 * Translates, sends, retries and fails over until one deployment has begun to answer. Everything here happens before the
 * commit point, so the client sees only the last failure. A request at fault by itself is not tried elsewhere, except
 * where the model's `fallbacks_on` names other models for that cause.
 */
export function createAttemptWith<In extends Asking, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  carrier: Carrier<In, Prepared, Out>,
): <E extends In>(exchange: E) => Promise<E & Begun<Out>> {
  const work: Work<In, Prepared, Out> = {
    ports,
    carrier,
    watch: new DeadlineWatch(ports.clock),
    times: new BeginningTimes(),
  };
  const hedge: Hedge<In, Prepared, Out> = { work, funds: ports, budget: new HedgeBudget() };
  return async (exchange) => {
    ports.retries.request(ports.clock.monotonic());
    ports.drains.prepare(exchange);
    const begun = await search(ports, exchange, hedge);
    keepSession(ports, exchange, begun.place);
    return extend(exchange, begun);
  };
}

/**
 * See {@link createAttemptWith}, for chats. A stream that is to go on after a cut has to be understood, so it is decoded
 * also where its bytes could be forwarded.
 */
export function createAttempt(ports: AttemptPorts): Stage<Routed, Answered> {
  const attempt = createAttemptWith<Routed, Prepared, Answer>(ports, { prepare, receive });
  return (exchange) => {
    if (!restarts(exchange)) return attempt(exchange);
    exchange.needsContent = true;
    return attempt(exchange).then((answered) => resumable(ports, answered, attempt));
  };
}
