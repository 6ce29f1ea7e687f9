import { type Ender, pipeline, type Stage, settleOnEnd } from './compose.ts';
import type { Exchange, Grant, Hold, Principal, Route, Slot } from './exchange.ts';
import type { Relayed } from './relay.ts';

/** An exchange, richer step by step; `Call` is what one kind of operation adds to it. */
type Admitted<Call> = Call & { principal: Principal };
type Granted<Call> = Admitted<Call> & { grant: Grant };
type Limited<Call> = Granted<Call> & { slot: Slot };
type Reserved<Call> = Limited<Call> & { hold: Hold };
type Routed<Call> = Reserved<Call> & Route;

/** An operation with its answer begun. */
export type Done<Call> = Routed<Call> & { answer: Relayed };

/** The stages of an operation besides chat; all but `authorize` and `attempt` are those of a chat. */
export interface OperationStages<Call extends Exchange> {
  readonly authenticate: Stage<Call, Admitted<Call>>;
  readonly authorize: Stage<Admitted<Call>, Granted<Call>>;
  readonly limitRate: Stage<Granted<Call>, Limited<Call>>;
  readonly reserveBudget: Stage<Limited<Call>, Reserved<Call>>;
  readonly chooseRoute: Stage<Reserved<Call>, Routed<Call>>;
  readonly attempt: Stage<Routed<Call>, Done<Call>>;
  readonly settleCost: Ender<Exchange>;
  readonly leaveDeployment: Ender<Exchange>;
  readonly writeLog: Ender<Exchange>;
}

/** The life of an operation besides chat (embeddings, images, audio, files, passthrough, …), top to bottom. */
export const createOperationPipeline = <Call extends Exchange>(
  s: OperationStages<Call>,
): Stage<Call, Done<Call>> =>
  settleOnEnd<Call, Done<Call>>(
    pipeline(
      s.authenticate, // virtual key or own credential → principal
      s.authorize, // the model or provider may be used and serves this → grant
      s.limitRate, // requests, tokens, concurrency → slot
      s.reserveBudget, // hold the worst case, journalled → hold
      s.chooseRoute, // deployments in order → candidates
      s.attempt, // translate, send, retry, fail over → answer
    ),
    [s.settleCost, s.leaveDeployment, s.writeLog], // at every kind of ending
  );
