import type { AttemptKind, AttemptRecord } from '../core/cost/exchange.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { Fleet } from '../core/resilience/fleet.ts';
import type { RetryBudget } from '../core/resilience/retry-budget.ts';
import type { Account, Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Random } from '../ports/random.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../ports/upstream.ts';
import type { Admission, Place } from './admission.ts';
import type { Carrier, Tried } from './carrier.ts';
import { givenUp } from './charge.ts';
import { outOfTime, timeLeft, withinTime } from './deadline.ts';
import type { DeadlineWatch } from './deadline-watch.ts';
import type { Candidate, Exchange } from './exchange.ts';
import { type FundPorts, fund } from './fund.ts';
import type { BeginningTimes } from './hedge-policy.ts';
import { outcomeOf } from './outcome.ts';
import type { Sendable } from './prepare.ts';
import type { RetryPolicy } from './runtime.ts';

/** What calls are made with. */
export interface TrialPorts extends FundPorts {
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly fleet: Fleet;
  readonly admission: Admission;
  readonly retries: RetryBudget;
}

/** How one kind of exchange is tried. */
export interface Work<In, Prepared extends Sendable, Out> {
  readonly ports: TrialPorts;
  readonly carrier: Carrier<In, Prepared, Out>;
  readonly watch: DeadlineWatch;
  /** How long deployments of hedged models take to begin. */
  readonly times: BeginningTimes;
}

/** One candidate and a place at it. */
export interface Trial {
  readonly candidate: Candidate;
  readonly place: Place;
  /** Why it is tried; `undefined` for the first try of an exchange. */
  readonly kind: AttemptKind | undefined;
  /** Nothing else is left to try. */
  readonly last: boolean;
}

/** What an attempt began to answer with; the place is given back when the exchange ends. */
export interface Begun<Out> {
  readonly answer: Out;
  readonly place: Place;
}

/** A `retry-after` longer than this is not waited for; the next deployment is tried instead. */
const MAX_RETRY_AFTER_S = 10;
/** Further credentials of one pool that a request may try. */
const MAX_OTHER_CREDENTIALS = 3;
/** Refusals of the account rather than of the call: another credential of the pool may be let in. */
const ACCOUNT_FAILURES: ReadonlySet<string> = new Set([
  'upstream_auth',
  'upstream_quota',
  'upstream_rate_limited',
]);

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

/** Any thrown value as an error of ours. */
export function toError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  return new SluiceError('internal', 'The gateway failed on this request. It has been logged.', {
    cause: error,
  });
}

/** When the call is to be given up. */
export function callSignal(exchange: Exchange): AbortSignal {
  return exchange.callSignal ?? exchange.signal;
}

/** The request with the headers that an authorizer makes. */
async function authorized(
  ports: TrialPorts,
  { request, account }: { readonly request: UpstreamRequest; readonly account: Account },
  signal: AbortSignal,
): Promise<UpstreamRequest> {
  const headers = await ports.authorizers[account.scheme.type].authorize(request, account, signal);
  return { ...request, headers: { ...request.headers, ...headers } };
}

/** Tells the fleet what became of a call that failed, and the operator when that changes anything. */
function report(ports: TrialPorts, exchange: Tried, told: { place: Place; failure: SluiceError }): void {
  const { place, failure } = told;
  const gone = exchange.signal.aborted || callSignal(exchange).aborted;
  const elapsedMs = ports.clock.monotonic() - exchange.startedMono;
  const outcome = gone ? ({ kind: 'neutral' } as const) : outcomeOf(failure, exchange, elapsedMs);
  const deployment = place.deployment.id;
  if (outcome.kind === 'refused' && place.index !== undefined) {
    ports.log.warn('credential.refused', { deployment, credential: place.index, error: failure.code });
  }
  if (place.end(outcome)) ports.log.warn('circuit.opened', { deployment, error: failure.code });
}

/** What a call that is over says in the log. */
export function attemptRecord(
  trial: Pick<Trial, 'candidate' | 'kind'>,
  times: { readonly startedAt: number; readonly latencyMs: number },
  told: { readonly status?: number | undefined; readonly error?: string | undefined },
): AttemptRecord {
  const { provider, model } = trial.candidate.deployment;
  const { startedAt, latencyMs } = times;
  const record: Writable<AttemptRecord> = {
    provider: provider.name,
    upstreamModel: model,
    startedAt,
    latencyMs,
  };
  if (told.status !== undefined) record.status = told.status;
  if (told.error !== undefined) record.error = told.error;
  if (trial.kind !== undefined) record.kind = trial.kind;
  if (provider.region !== undefined) record.region = provider.region;
  return record;
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What becomes of answers that their providers have made, and bill. */
const LOST: ReadonlySet<string> = new Set([
  'upstream_cut',
  'upstream_malformed',
  'upstream_too_large',
  'upstream_timeout',
]);

/** Whether an answer was lost after it had begun well. A page of HTML comes from something before the provider. */
function isLost(failure: SluiceError, answer: UpstreamAnswer | undefined): boolean {
  if (answer === undefined || answer.status >= 300 || !LOST.has(failure.code)) return false;
  return answer.headers['content-type']?.includes('text/html') !== true;
}

/** A call that was given up while the provider worked on it, or whose answer was lost, is owed for. */
function bill(exchange: Exchange, answer: UpstreamAnswer | undefined): void {
  const { facts } = exchange;
  const call = givenUp(exchange, answer?.bodyBytes);
  facts.calling = undefined;
  facts.lostOutput = undefined;
  if (call !== undefined) facts.billed = [...(facts.billed ?? []), call];
}

/** One try: encode, authorize, send, read up to the commit point. */
async function tryOnce<In extends Tried, Prepared extends Sendable, Out>(
  work: Work<In, Prepared, Out>,
  exchange: In,
  trial: Trial,
): Promise<Out> {
  const { ports, carrier, watch } = work;
  const { clock } = ports;
  const { candidate, place } = trial;
  const { deployment } = candidate;
  const { facts } = exchange;
  const signal = callSignal(exchange);
  const startedAt = clock.now();
  const sentAt = clock.monotonic();
  let answer: UpstreamAnswer | undefined;
  let prepared: Prepared | undefined;
  try {
    prepared = carrier.prepare(exchange, deployment, place.credential);
    const { account } = prepared;
    let { request } = prepared;
    if (account !== undefined) request = await authorized(ports, { request, account }, signal);
    request = withinTime(request, exchange, clock);
    facts.calling = deployment;
    answer = await ports.upstream.send(request, signal);
    if (answer.status >= 300) facts.calling = undefined;
    place.heard(answer.headers);
    facts.upstreamRequestId = answer.headers['x-request-id'] ?? answer.headers['request-id'];
    const result = await carrier.receive(exchange, deployment, { answer, prepared, clock, watch, sentAt });
    const beganMs = clock.monotonic() - sentAt;
    place.answered(beganMs, exchange.envelope.stream);
    if (candidate.route.hedge !== undefined) work.times.add(deployment.id, exchange.envelope.stream, beganMs);
    facts.calling = undefined;
    facts.deployment = deployment;
    facts.plan = prepared.plan;
    facts.upstreamFormat = prepared.codec.id;
    facts.dropped = prepared.dropped;
    const { status } = answer;
    facts.attempts.push(attemptRecord(trial, { startedAt, latencyMs: beganMs }, { status }));
    return result;
  } catch (error) {
    const failure = toError(error);
    if (signal.aborted || isLost(failure, answer)) bill(exchange, answer);
    facts.calling = undefined;
    // A request that could not even be encoded is no attempt at an upstream.
    if (prepared !== undefined) {
      const latencyMs = clock.monotonic() - sentAt;
      const told = { status: answer?.status, error: failure.code };
      facts.attempts.push(attemptRecord(trial, { startedAt, latencyMs }, told));
    }
    report(ports, exchange, { place, failure });
    throw failure;
  }
}

/** Whether the same call may be made again at the same deployment. The upstream's own word wins over the table. */
function mayRepeat(failure: SluiceError, last: boolean): boolean {
  const { retryAfterS = 0, shouldRetry } = failure.facts;
  if (failure.retry === 'never' || retryAfterS > MAX_RETRY_AFTER_S) return false;
  // Waiting for a limit makes sense only where nobody else could answer meanwhile.
  return shouldRetry ?? (failure.retry === 'same' || (failure.code === 'upstream_rate_limited' && last));
}

/** Waits before the same deployment is tried again. Throws the failure when policy, retry budget or time forbid it. */
async function waitToRepeat(
  ports: TrialPorts,
  exchange: Tried,
  asked: { readonly failure: SluiceError; readonly trial: Trial; readonly n: number },
): Promise<void> {
  const { failure, trial, n } = asked;
  const { deployment, route } = trial.candidate;
  const now = ports.clock.monotonic();
  if (n > route.retries.attempts || !mayRepeat(failure, trial.last)) throw failure;
  if (!trial.last && !ports.fleet.admits(deployment, now)) throw failure;
  const pause = backoff(failure, route.retries, { n, uniform: ports.random.uniform() });
  if (pause >= timeLeft(exchange, now)) throw failure;
  if (!ports.retries.take(exchange.runtime.maxRetryPercent, now)) throw failure;
  await sleep(ports.clock, pause, exchange.signal);
}

/** Tries one deployment as often as its policy and the retry budget allow. Throws the last failure. */
export async function tryDeployment<In extends Tried, Prepared extends Sendable, Out>(
  work: Work<In, Prepared, Out>,
  exchange: In,
  first: Trial,
): Promise<Begun<Out>> {
  const { ports } = work;
  const { deployment } = first.candidate;
  let others = Math.min(MAX_OTHER_CREDENTIALS, deployment.provider.credentials.length - 1);
  let trial = first;
  for (let n = 1; ; ) {
    const { place } = trial;
    try {
      return { answer: await tryOnce(work, exchange, trial), place };
    } catch (error) {
      const failure = toError(error);
      if (callSignal(exchange).aborted || exchange.signal.aborted) throw failure;
      const now = ports.clock.monotonic();
      if (timeLeft(exchange, now) <= 0) throw outOfTime();
      const elsewhere = place.index !== undefined && others > 0 && ACCOUNT_FAILURES.has(failure.code);
      if (elsewhere && ports.fleet.usable(deployment, now)) others--;
      else await waitToRepeat(ports, exchange, { failure, trial: first, n: n++ });
      if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
      // The next answer costs as much again as the one that was lost.
      if (
        exchange.facts.billed !== undefined &&
        (await fund(ports, exchange, { deployment })) !== undefined
      ) {
        throw failure;
      }
      const next = await ports.admission.enter(exchange, deployment, first.last);
      trial = { ...first, place: next, kind: 'retry' };
    }
  }
}
