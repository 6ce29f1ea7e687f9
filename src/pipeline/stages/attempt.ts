import { SluiceError } from '../../core/errors/error.ts';
import type { Authorizers } from '../../ports/authorizer.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../ports/upstream.ts';
import type { Stage } from '../compose.ts';
import {
  type Answered,
  type Candidate,
  type Exchange,
  extend,
  type Route,
  type Routed,
} from '../exchange.ts';
import { prepare, type Sendable } from '../prepare.ts';
import { receive } from '../receive.ts';
import type { Deployment, RetryPolicy } from '../runtime.ts';

export interface AttemptPorts {
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly clock: Clock;
  readonly random: Random;
}

/** How exchanges of one kind are written for a deployment, and how its answers are read. */
export interface Carrier<In, Prepared extends Sendable, Out> {
  /** Throws `unsupported_feature` when the deployment cannot serve it. */
  prepare(exchange: In, deployment: Deployment): Prepared;
  /** Reads up to the commit point; throws what the attempt failed with. */
  receive(
    exchange: In,
    deployment: Deployment,
    got: { readonly answer: UpstreamAnswer; readonly prepared: Prepared },
  ): Promise<Out>;
}

/** An exchange whose route is known. */
type Tried = Exchange & Route;

/** One candidate and how to reach it. */
interface Try<In, Prepared extends Sendable, Out> {
  readonly candidate: Candidate;
  readonly carrier: Carrier<In, Prepared, Out>;
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

/** One try: encode, authorize, send, read up to the commit point. */
async function tryOnce<In extends Tried, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  exchange: In,
  { candidate, carrier }: Try<In, Prepared, Out>,
): Promise<Out> {
  const { deployment } = candidate;
  const { facts } = exchange;
  const startedAt = ports.clock.now();
  const startedMono = ports.clock.monotonic();
  const record = (status: number | undefined, error: string | undefined): void => {
    facts.attempts.push({
      provider: deployment.provider.name,
      upstreamModel: deployment.model,
      startedAt,
      latencyMs: ports.clock.monotonic() - startedMono,
      ...(status === undefined ? {} : { status }),
      ...(error === undefined ? {} : { error }),
    });
  };
  let status: number | undefined;
  let prepared: Prepared | undefined;
  try {
    prepared = carrier.prepare(exchange, deployment);
    const request = await authorized(ports, prepared, exchange.signal);
    const answer = await ports.upstream.send(request, exchange.signal);
    status = answer.status;
    facts.upstreamRequestId = answer.headers['x-request-id'] ?? answer.headers['request-id'];
    const result = await carrier.receive(exchange, deployment, { answer, prepared });
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
    throw failure;
  }
}

/** Tries one deployment as often as its policy allows. Throws the last failure. */
async function tryDeployment<In extends Tried, Prepared extends Sendable, Out>(
  ports: AttemptPorts,
  exchange: In,
  tried: Try<In, Prepared, Out>,
): Promise<Out> {
  const policy = tried.candidate.route.retries;
  for (let n = 1; ; n++) {
    try {
      return await tryOnce(ports, exchange, tried);
    } catch (error) {
      const failure = toError(error);
      const waitable = (failure.facts.retryAfterS ?? 0) <= MAX_RETRY_AFTER_S;
      const again = failure.retry === 'same' || (failure.code === 'upstream_rate_limited' && waitable);
      if (!again || !waitable || n > policy.attempts || exchange.signal.aborted) throw failure;
      await sleep(
        ports.clock,
        backoff(failure, policy, { n, uniform: ports.random.uniform() }),
        exchange.signal,
      );
      if (exchange.signal.aborted) throw new SluiceError('client_closed', 'The client left.');
    }
  }
}

/** The provider's name and what to do, added to a failure that has gone through every candidate. */
function explain(failure: SluiceError, exchange: Tried, tried: number): SluiceError {
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
): <E extends In>(exchange: E) => Promise<E & { answer: Out }> {
  return async (exchange) => {
    const queue = [...exchange.candidates];
    const causesUsed = new Set<string>();
    // Made only when it is thrown: an error's stack costs more than the rest of this stage.
    let failure: SluiceError | undefined;
    let tried = 0;
    for (let candidate = queue.shift(); candidate !== undefined; candidate = queue.shift()) {
      try {
        const answer = await tryDeployment(ports, exchange, { candidate, carrier });
        return extend(exchange, { answer });
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
