import { type Ender, firstOf, pipeline, type Stage, settleOnEnd } from './compose.ts';
import type {
  Answered,
  Authenticated,
  Authorized,
  Guarded,
  Limited,
  Received,
  Reserved,
  Routed,
} from './exchange.ts';

/** The stages of a chat exchange, one file each in `stages/`. */
export interface Stages {
  readonly authenticate: Stage<Received, Authenticated>;
  readonly authorize: Stage<Authenticated, Authorized>;
  readonly decideRoute: Stage<Authorized, Authorized>;
  readonly limitRate: Stage<Authorized, Limited>;
  readonly reserveBudget: Stage<Limited, Reserved>;
  readonly guardInput: Stage<Reserved, Guarded>;
  readonly lookupCache: Stage<Guarded, Answered | undefined>;
  readonly chooseRoute: Stage<Guarded, Routed>;
  readonly attempt: Stage<Routed, Answered>;
  readonly shareAnswer: Stage<Answered, Answered>;
  readonly guardOutput: Stage<Answered, Answered>;
  readonly settleCost: Ender<Received>;
  readonly leaveDeployment: Ender<Received>;
  readonly leaveCache: Ender<Received>;
  readonly noteDecision: Ender<Received>;
  readonly writeLog: Ender<Received>;
}

/** The life of a chat request, top to bottom. */
export const createChatPipeline = (s: Stages): Stage<Received, Answered> =>
  settleOnEnd<Received, Answered>(
    pipeline(
      s.authenticate, // virtual key or own credential → principal
      s.authorize, // model exists and may be used → grant
      s.decideRoute, // rules, prompt, price: which model answers → grant and its receipt
      s.limitRate, // requests, tokens, concurrency → slot
      s.reserveBudget, // hold the worst case, journalled → hold
      s.guardInput, // allow, redact or block → request
      firstOf(
        s.lookupCache, // an answer we already have
        pipeline(
          s.chooseRoute, // deployments and fallbacks in order → candidates
          s.attempt, // translate, send, retry, fail over, escalate → answer
          s.shareAnswer, // to equal requests that wait, and to the cache
        ),
      ),
      s.guardOutput, // the same verdicts, on the way out
    ),
    [s.settleCost, s.leaveDeployment, s.leaveCache, s.noteDecision, s.writeLog], // at every kind of ending
  );
