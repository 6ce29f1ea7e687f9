import { SluiceError } from '../../core/errors/error.ts';
import type { Fleet } from '../../core/resilience/fleet.ts';
import type { RetryBudget } from '../../core/resilience/retry-budget.ts';
import type { Sessions } from '../../core/resilience/sessions.ts';
import type { Authorizers } from '../../ports/authorizer.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Random } from '../../ports/random.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import type { Admission, Place } from '../admission.ts';
import { sessionOf } from '../affinity.ts';
import type { Stage } from '../compose.ts';
import {
  type Answered,
  type Candidate,
  type Exchange,
  extend,
  type Grant,
  type Principal,
  type Route,
  type Routed,
} from '../exchange.ts';
import { outcomeOf } from '../outcome.ts';
import { prepare, type Sendable } from '../prepare.ts';
import { receive } from '../receive.ts';
import type { Deployment, RetryPolicy } from '../runtime.ts';

export interface AttemptPorts {
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly fleet: Fleet;
  readonly admission: Admission;
  readonly retries: RetryBudget;
  readonly sessions: Sessions;
}

/** How exchanges of one kind are written for a deployment, and how its answers are read. */
export interface Carrier<In, Prepared extends Sendable, Out> {
  /** Throws `unsupported_feature` when the deployment cannot serve it. `credential`: what to authenticate with. */
  prepare(exchange: In, deployment: Deployment, credential: string | undefined): Prepared;
  /** Reads up to the commit point; throws what the attempt failed with. */
  receive(
    exchange: In,
    deployment: Deployment,
    got: { readonly answer: UpstreamAnswer; readonly prepared: Prepared; readonly clock: Clock },
  ): Promise<Out>;
}

/** An exchange whose route is known. */
type Tried = Exchange & Route & { readonly principal: Principal };

/** One candidate, a place at it, and how to reach it. */
interface Try<In, Prepared extends Sendable, Out> {
  readonly candidate: Candidate;
  readonly place: Place;
  readonly carrier: Carrier<In, Prepared, Out>;
  /** Nothing else is left to try. */
  readonly last: boolean;
}

/** What an attempt began to answer with; the place is given back when the exchange ends. */
interface Begun<Out> {
  readonly answer: Out;
  readonly place: Place;
}

/** A `retry-after` longer than this is not waited for; the next deployment is tried instead. */
const MAX_RETRY_AFTER_S = 10;

/** Words under `fallbacks_on` in the configuration, by error code. */
const CAUSES: Readonly<Record<string, string>> = {
  context_overflow: 'context_overflow',
  upstream_content_filter: 'content_filter',
  upstream_rate_limited: 'rate_limit',
};

/** Failures that say nothing about the next deployment: it may carry the feature, or be configured completely. */
const ONLY_HERE: ReadonlySet<string> = new Set(['unsupported_feature', 'no_provider']);

/** Milliseconds before try `n + 1`: exponential with full jitter, at least what the upstream asked for. */
function backoff(error: SluiceError, policy: RetryPolicy, draw: { n: number; uniform: number }): number {
  const ceiling = Math.min(policy.maxBackoffMs, policy.backoffMs * 2 ** (draw.n - 1));
  return Math.max(draw.uniform * ceiling, (error.facts.retryAfterS ?? 0) * 1000);
}

function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, done);
    function done(): void {
      signal.removeEventListener('abort', done);
      cancel();
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

function toError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('internal', 'The gateway failed on this request. It has been logged.', {
    cause: error,
  });
}

/** The request with everything it needs to be let in. */
async function authorized(
  ports: AttemptPorts,
  { request, account }: Sendable,
  signal: AbortSignal,
): Promise<UpstreamRequest> {
  if (account === undefined) return request;
  const headers = await ports.authorizers[account.scheme.type].authorize(request, account, signal);
  return { ...request, headers: { ...request.headers, ...headers } };
}

/** Tells the fleet what became of a call that failed, and the operator when that changes anything. */
function report(ports: AttemptPorts, exchange: Tried, told: { place: Place; failure: SluiceError }): void {
  const { place, failure } = told;
  const outcome = outcomeOf(failure, exchange, ports.clock.monotonic() - exchange.startedMono);
  const deployment = place.deployment.id;
  if (outcome.kind === 'refused' && place.index !== undefined) {
    ports.log.warn('credential.refused', { deployment, credential: place.index, error: failure.code });
  }
  if (place.end(outcome)) ports.log.warn('circuit.opened', { deployment, error: failure.code });
}

/** One try: encode, authorize, send, read up to the commit point. */
async function tryOnce<In extends Tried, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  exchange: In,
  { candidate, place, carrier }: Try<In, Prepared, Out>,
): Promise<Out> {
  const { deployment } = candidate;
  const { facts } = exchange;
  const startedAt = ports.clock.now();
  const startedMono = ports.clock.monotonic();
  const elapsed = (): number => ports.clock.monotonic() - startedMono;
  const record = (status: number | undefined, error: string | undefined): void => {
    facts.attempts.push({
      provider: deployment.provider.name,
      upstreamModel: deployment.model,
      startedAt,
      latencyMs: elapsed(),
      ...(status === undefined ? {} : { status }),
      ...(error === undefined ? {} : { error }),
    });
  };
  let status: number | undefined;
  let prepared: Prepared | undefined;
  try {
    prepared = carrier.prepare(exchange, deployment, place.credential);
    const request = await authorized(ports, prepared, exchange.signal);
    const answer = await ports.upstream.send(request, exchange.signal);
    status = answer.status;
    place.heard(answer.headers);
    facts.upstreamRequestId = answer.headers['x-request-id'] ?? answer.headers['request-id'];
    const result = await carrier.receive(exchange, deployment, { answer, prepared, clock: ports.clock });
    place.answered(elapsed(), exchange.envelope.stream);
    facts.deployment = deployment;
    facts.plan = prepared.plan;
    facts.upstreamFormat = prepared.codec.id;
    facts.dropped = prepared.dropped;
    record(status, undefined);
    return result;
  } catch (error) {
    const failure = toError(error);
    // A request that could not even be encoded is no attempt at an upstream.
    if (prepared !== undefined) record(status, failure.code);
    report(ports, exchange, { place, failure });
    throw failure;
  }
}

/** Further credentials of one pool that a request may try. */
const MAX_OTHER_CREDENTIALS = 3;
/** Refusals of the account rather than of the call: another credential of the pool may be let in. */
const ACCOUNT_FAILURES: ReadonlySet<string> = new Set([
  'upstream_auth',
  'upstream_quota',
  'upstream_rate_limited',
]);

/** Whether the same call may be made again at the same deployment. The upstream's own word wins over the table. */
function mayRepeat(failure: SluiceError, last: boolean): boolean {
  const { retryAfterS = 0, shouldRetry } = failure.facts;
  if (failure.retry === 'never' || retryAfterS > MAX_RETRY_AFTER_S) return false;
  // Waiting for a limit makes sense only where nobody else could answer meanwhile.
  return shouldRetry ?? (failure.retry === 'same' || (failure.code === 'upstream_rate_limited' && last));
}

/** Tries one deployment as often as its policy and the retry budget allow. Throws the last failure. */
async function tryDeployment<In extends Tried, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  exchange: In,
  first: Try<In, Prepared, Out>,
): Promise<Begun<Out>> {
  const { candidate, last } = first;
  const { deployment, route } = candidate;
  const { fleet, clock, random } = ports;
  const pool = deployment.provider.credentials.length;
  let others = Math.min(MAX_OTHER_CREDENTIALS, pool - 1);
  let { place } = first;
  for (let n = 1; ; ) {
    try {
      return { answer: await tryOnce(ports, exchange, { ...first, place }), place };
    } catch (error) {
      const failure = toError(error);
      if (exchange.signal.aborted) throw failure;
      const now = clock.monotonic();
      const elsewhere = place.index !== undefined && others > 0 && ACCOUNT_FAILURES.has(failure.code);
      if (elsewhere && fleet.usable(deployment, now)) {
        others--;
      } else {
        const again = n <= route.retries.attempts && mayRepeat(failure, last);
        if (!again || (!last && !fleet.admits(deployment, now))) throw failure;
        if (!ports.retries.take(exchange.runtime.maxRetryPercent, now)) throw failure;
        const draw = { n, uniform: random.uniform() };
        await sleep(clock, backoff(failure, route.retries, draw), exchange.signal);
        n++;
      }
      if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
      place = await ports.admission.enter(exchange, deployment, last);
    }
  }
}

/**
 * Takes the next candidate out of the queue, with a place at it: of one model's deployments the first that has room now,
 * else the first after waiting. A first attempt is free; a further one is free where the deployment was sound when last
 * asked, and else taken from the retry budget. `undefined` when nothing is left. Throws when a wait was in vain.
 */
async function takeNext(
  ports: AttemptPorts,
  exchange: Tried,
  queue: Candidate[],
): Promise<{ candidate: Candidate; place: Place } | undefined> {
  const { admission, clock, fleet, retries } = ports;
  const further = exchange.facts.attempts.length > 0;
  for (let head = queue[0]; head !== undefined; head = queue[0]) {
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
function keepSession(ports: AttemptPorts, exchange: Tried & { grant?: Grant }, place: Place): void {
  if (exchange.grant === undefined) return;
  const session = sessionOf(exchange, exchange.grant.route);
  if (session !== undefined) ports.sessions.keep(session, place.deployment.id, ports.clock.monotonic());
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
 * Translates, sends, retries and fails over until one deployment has begun to answer. Everything here happens before the
 * commit point, so the client sees only the last failure. A request at fault by itself is not tried elsewhere, except
 * where the model's `fallbacks_on` names other models for that cause.
 */
export function createAttemptWith<In extends Tried, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  carrier: Carrier<In, Prepared, Out>,
): <E extends In>(exchange: E) => Promise<E & Begun<Out>> {
  return async (exchange) => {
    ports.retries.request(ports.clock.monotonic());
    const queue = [...exchange.candidates];
    const causesUsed = new Set<string>();
    // Made only when it is thrown: an error's stack costs more than the rest of this stage.
    let failure: SluiceError | undefined;
    let tried = 0;
    for (;;) {
      try {
        const next = await takeNext(ports, exchange, queue);
        if (next === undefined) break;
        const begun = await tryDeployment(ports, exchange, { ...next, carrier, last: queue.length === 0 });
        keepSession(ports, exchange, begun.place);
        return extend(exchange, begun);
      } catch (error) {
        const latest = toError(error);
        // A fallback that cannot carry the request must not hide why the first one failed.
        if (tried === 0 || latest.code !== 'unsupported_feature') failure = latest;
        tried++;
        if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
        const cause = CAUSES[latest.code];
        if (cause !== undefined && !causesUsed.has(cause)) {
          causesUsed.add(cause);
          queue.unshift(...exchange.candidatesOn(cause));
          if (latest.retry === 'never' && queue.length > 0 && exchange.candidatesOn(cause).length > 0)
            continue;
        }
        if (latest.retry === 'never' && !ONLY_HERE.has(latest.code)) break;
      }
    }
    failure ??= new SluiceError('no_provider', 'No provider serves this model right now.');
    throw explain(failure, exchange, tried);
  };
}

/** See {@link createAttemptWith}, for chats. */
export function createAttempt(ports: AttemptPorts): Stage<Routed, Answered> {
  return createAttemptWith(ports, { prepare, receive });
}
