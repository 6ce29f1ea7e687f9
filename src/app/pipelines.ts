import { HOUR_MS } from '../core/durations.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import type { RateLimiter } from '../core/policy/rate.ts';
import { ResponsePins } from '../core/routing/pins.ts';
import { ReasoningMemory } from '../core/translation/reasoning-memory.ts';
import type { DataPlanePorts } from '../http/call.ts';
import { newFacts } from '../http/chat.ts';
import type { Called, Direct } from '../pipeline/call.ts';
import { directCarrier } from '../pipeline/carry-direct.ts';
import { operationCarrier } from '../pipeline/carry-operation.ts';
import { createChatPipeline } from '../pipeline/chat.ts';
import type { Stage } from '../pipeline/compose.ts';
import { cutAtHold } from '../pipeline/cut-at-hold.ts';
import { fundBesides } from '../pipeline/fund.ts';
import { holdRecord } from '../pipeline/hold-record.ts';
import { createInnerCall, type InnerCallPorts, type MakeInnerCall } from '../pipeline/inner-call.ts';
import { createInnerEmbed } from '../pipeline/inner-embed.ts';
import { createFindMeaning, type FindMeaning } from '../pipeline/intent-meaning.ts';
import { createJudgeAnswer } from '../pipeline/judge-answer.ts';
import { createOperationPipeline } from '../pipeline/operation.ts';
import type { Granted } from '../pipeline/policy-facts.ts';
import { withPrescriptions } from '../pipeline/prescribe.ts';
import { observed, type RouteObserver } from '../pipeline/route-observer.ts';
import { createRouterCallPipeline } from '../pipeline/router-call.ts';
import { SharedAnswers } from '../pipeline/shared-answers.ts';
import { createAnswerRouter } from '../pipeline/stages/answer-router.ts';
import { type AttemptPorts, createAttempt, createAttemptWith } from '../pipeline/stages/attempt.ts';
import { type AuthenticatePorts, createAuthenticate } from '../pipeline/stages/authenticate.ts';
import { createAuthorize } from '../pipeline/stages/authorize.ts';
import { createAuthorizeDirect } from '../pipeline/stages/authorize-direct.ts';
import { createAuthorizeOperation } from '../pipeline/stages/authorize-operation.ts';
import { createChooseRoute } from '../pipeline/stages/choose-route.ts';
import { createDecideRoute } from '../pipeline/stages/decide-route.ts';
import { createEnforcePolicy } from '../pipeline/stages/enforce-policy.ts';
import { createEscalate } from '../pipeline/stages/escalate.ts';
import { createGuardInput } from '../pipeline/stages/guard-input.ts';
import { createGuardOutput } from '../pipeline/stages/guard-output.ts';
import { createLeaveDeployment } from '../pipeline/stages/leave-deployment.ts';
import { createLimitRate } from '../pipeline/stages/limit-rate.ts';
import { createLeaveCache, createLookupCache, createShareAnswer } from '../pipeline/stages/lookup-cache.ts';
import { createNoteDecision } from '../pipeline/stages/note-decision.ts';
import { createReserveBudget } from '../pipeline/stages/reserve-budget.ts';
import { createSettleCost } from '../pipeline/stages/settle-cost.ts';
import { createWriteLog } from '../pipeline/stages/write-log.ts';
import { stayWithin } from '../pipeline/stay-within.ts';
import type { Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Upstream } from '../ports/upstream.ts';
import { budgetLeftOf } from './budget-left.ts';
import type { Resilience } from './resilience.ts';
import type { SpendingSources } from './spending.ts';

/** Reasoning kept for clients that drop it: a few thousand turns, for as long as an agent may pause. */
const REASONING_MEMORY = { maxBytes: 64 * 1_048_576, ttlMs: 6 * HOUR_MS };

/** What the stages of every pipeline work with. */
export interface PipelineAdapters extends Resilience, SpendingSources {
  readonly clock: Clock;
  readonly random: Random;
  readonly secrets: SecretBox;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly authorizers: Authorizers;
  readonly metrics: Metrics;
  readonly events: EventBus;
  readonly book: BudgetBook;
  readonly limiter: RateLimiter;
  readonly log: Log;
  /** Shared with the control plane; made here when absent. */
  readonly answers?: SharedAnswers;
  /** The same. */
  readonly meaning?: FindMeaning;
}

/** What calls are made with: besides the adapters, how a hold that grows is kept. */
function attemptPorts(adapters: PipelineAdapters): AttemptPorts {
  const { ledger } = adapters;
  return { ...adapters, journal: (exchange, amountNano) => ledger.hold(holdRecord(exchange, amountNano)) };
}

/** One stage after the other, as one. */
function then<In, Out extends Granted>(
  authorize: (exchange: In) => Out | Promise<Out>,
  enforce: ReturnType<typeof createEnforcePolicy>,
): Stage<In, Out> {
  return (exchange) => {
    const granted = authorize(exchange);
    return granted instanceof Promise ? granted.then(enforce) : enforce(granted);
  };
}

/** The pipeline of chats. */
export function createChat(
  adapters: PipelineAdapters,
  keys: AuthenticatePorts,
  observer?: RouteObserver,
): DataPlanePorts['chat'] {
  const { clock } = adapters;
  const answers = adapters.answers ?? new SharedAnswers(adapters);
  const calls = attemptPorts(adapters);
  const chooseRoute = stayWithin(createChooseRoute(adapters));
  const judge = createJudgeAnswer({
    ...adapters,
    // The exchange books what its judge costs, so that nothing is written down here.
    call: createInnerCall({
      ...innerPorts(adapters),
      attempt: createAttempt({ ...calls, journal: async () => undefined }),
      enders: [createLeaveDeployment(adapters)],
    }),
    fund: (exchange, worstNano) => fundBesides(calls, exchange, worstNano),
  });
  const attempt = createEscalate({ ...calls, chooseRoute, attempt: createAttempt(calls), judge });
  return createChatPipeline({
    authenticate: createAuthenticate(keys),
    authorize: createAuthorize(),
    // Policies judge the model that was decided on, not the name that was asked for.
    decideRoute: then(
      createDecideRoute({
        ...adapters,
        budgetLeft: budgetLeftOf(adapters),
        meaning: adapters.meaning ?? createMeaning(adapters),
      }),
      createEnforcePolicy(adapters),
    ),
    limitRate: createLimitRate(adapters),
    reserveBudget: createReserveBudget(adapters),
    guardInput: withPrescriptions(
      createGuardInput({
        memory: new ReasoningMemory(REASONING_MEMORY),
        pins: new ResponsePins(),
        clock,
      }),
    ),
    lookupCache: createLookupCache(answers),
    chooseRoute,
    attempt: observer === undefined ? attempt : observed(attempt, observer),
    shareAnswer: createShareAnswer(answers),
    guardOutput: cutAtHold(createGuardOutput()),
    settleCost: createSettleCost(adapters),
    leaveDeployment: createLeaveDeployment(adapters),
    leaveCache: createLeaveCache(answers),
    noteDecision: createNoteDecision({ ...adapters, observer }),
    writeLog: createWriteLog(adapters),
  });
}

/** What calls of the gateway's own are made with. */
function innerPorts(adapters: PipelineAdapters): Omit<InnerCallPorts, 'attempt' | 'enders'> {
  const { clock } = adapters;
  return {
    ...adapters,
    newFacts,
    enforcePolicy: createEnforcePolicy(adapters),
    reserveBudget: createReserveBudget(adapters),
    guardInput: withPrescriptions(
      createGuardInput({
        memory: new ReasoningMemory(REASONING_MEMORY),
        pins: new ResponsePins(),
        clock,
      }),
    ),
    chooseRoute: stayWithin(createChooseRoute(adapters)),
  };
}

/** Calls of the gateway's own: copies for weaker models, and the judge. */
export function createInnerCalls(adapters: PipelineAdapters): MakeInnerCall {
  return createInnerCall({
    ...innerPorts(adapters),
    attempt: createAttempt(attemptPorts(adapters)),
    enders: [createSettleCost(adapters), createLeaveDeployment(adapters), createWriteLog(adapters)],
  });
}

/** Compares prompts with intents by meaning: embeddings that the gateway asks for by itself. */
export function createMeaning(adapters: PipelineAdapters): FindMeaning {
  const embed = createInnerEmbed({
    ...adapters,
    newFacts,
    reserveBudget: createReserveBudget(adapters),
    chooseRoute: stayWithin(createChooseRoute(adapters)),
    attempt: createAttemptWith(attemptPorts(adapters), operationCarrier),
    enders: [createSettleCost(adapters), createLeaveDeployment(adapters), createWriteLog(adapters)],
  });
  return createFindMeaning({ ...adapters, embed });
}

/** The same stages around everything that is no chat. */
export function createOperations(
  adapters: PipelineAdapters,
  keys: AuthenticatePorts,
): Pick<DataPlanePorts, 'operation' | 'direct' | 'router'> {
  const shared = {
    authenticate: createAuthenticate(keys),
    limitRate: createLimitRate(adapters),
    reserveBudget: createReserveBudget(adapters),
    chooseRoute: stayWithin(createChooseRoute(adapters)),
    settleCost: createSettleCost(adapters),
    leaveDeployment: createLeaveDeployment(adapters),
    writeLog: createWriteLog(adapters),
  };
  return {
    operation: createOperationPipeline<Called>({
      ...shared,
      authorize: then(createAuthorizeOperation(), createEnforcePolicy(adapters)),
      attempt: createAttemptWith(attemptPorts(adapters), operationCarrier),
    }),
    router: createRouterCallPipeline({ ...shared, answer: createAnswerRouter() }),
    direct: createOperationPipeline<Direct>({
      ...shared,
      authorize: then(createAuthorizeDirect(), createEnforcePolicy(adapters)),
      attempt: createAttemptWith(attemptPorts(adapters), directCarrier),
    }),
  };
}
