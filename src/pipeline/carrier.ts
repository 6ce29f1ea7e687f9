import type { Clock } from '../ports/clock.ts';
import type { UpstreamAnswer } from '../ports/upstream.ts';
import type { DeadlineWatch } from './deadline-watch.ts';
import type { Exchange, Principal, Route } from './exchange.ts';
import type { Sendable } from './prepare.ts';
import type { Deployment } from './runtime.ts';

/** An exchange whose route is known. */
export type Tried = Exchange & Route & { readonly principal: Principal };

/** An answer whose headers have come, and what is needed to read it. */
export interface Got<Prepared extends Sendable> {
  readonly answer: UpstreamAnswer;
  readonly prepared: Prepared;
  readonly clock: Clock;
  readonly watch: DeadlineWatch;
  /** Monotonic milliseconds. */
  readonly sentAt: number;
}

/** How exchanges of one kind are written for a deployment, and how its answers are read. */
export interface Carrier<In, Prepared extends Sendable, Out> {
  /** Throws `unsupported_feature` when the deployment cannot serve it. `credential`: what to authenticate with. */
  prepare(exchange: In, deployment: Deployment, credential: string | undefined): Prepared;
  /** Reads up to the commit point; throws what the attempt failed with. */
  receive(exchange: In, deployment: Deployment, got: Got<Prepared>): Promise<Out>;
}
