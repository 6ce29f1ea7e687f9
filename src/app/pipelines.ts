import type { BudgetBook } from '../core/policy/budget.ts';
import type { RateLimiter } from '../core/policy/rate.ts';
import { ResponsePins } from '../core/routing/pins.ts';
import { ReasoningMemory } from '../core/translation/reasoning-memory.ts';
import type { DataPlanePorts } from '../http/call.ts';
import type { Called, Direct } from '../pipeline/call.ts';
import { directCarrier } from '../pipeline/carry-direct.ts';
import { operationCarrier } from '../pipeline/carry-operation.ts';
import { createChatPipeline } from '../pipeline/chat.ts';
import { createOperationPipeline } from '../pipeline/operation.ts';
import { createAttempt, createAttemptWith } from '../pipeline/stages/attempt.ts';
import { type AuthenticatePorts, createAuthenticate } from '../pipeline/stages/authenticate.ts';
import { createAuthorize } from '../pipeline/stages/authorize.ts';
import { createAuthorizeDirect } from '../pipeline/stages/authorize-direct.ts';
import { createAuthorizeOperation } from '../pipeline/stages/authorize-operation.ts';
import { createChooseRoute } from '../pipeline/stages/choose-route.ts';
import { createGuardInput } from '../pipeline/stages/guard-input.ts';
import { createGuardOutput } from '../pipeline/stages/guard-output.ts';
import { createLeaveDeployment } from '../pipeline/stages/leave-deployment.ts';
import { createLimitRate } from '../pipeline/stages/limit-rate.ts';
import { createLookupCache } from '../pipeline/stages/lookup-cache.ts';
import { createReserveBudget } from '../pipeline/stages/reserve-budget.ts';
import { createSettleCost } from '../pipeline/stages/settle-cost.ts';
import { createWriteLog } from '../pipeline/stages/write-log.ts';
import type { Authorizers } from '../ports/authorizer.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventBus } from '../ports/event-bus.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Upstream } from '../ports/upstream.ts';
import type { Resilience } from './resilience.ts';

/** Reasoning kept for clients that drop it: a few thousand turns, for as long as an agent may pause. */
const REASONING_MEMORY = { maxBytes: 64 * 1_048_576, ttlMs: 6 * 3_600_000 };

/** What the stages of every pipeline work with. */
export interface PipelineAdapters extends Resilience {
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
}

/** The pipeline of chats. */
export function createChat(adapters: PipelineAdapters, keys: AuthenticatePorts): DataPlanePorts['chat'] {
  const { clock } = adapters;
  return createChatPipeline({
    authenticate: createAuthenticate(keys),
    authorize: createAuthorize(),
    limitRate: createLimitRate(adapters),
    reserveBudget: createReserveBudget(adapters),
    guardInput: createGuardInput({
      memory: new ReasoningMemory(REASONING_MEMORY),
      pins: new ResponsePins(),
      clock,
    }),
    lookupCache: createLookupCache(),
    chooseRoute: createChooseRoute(adapters),
    attempt: createAttempt(adapters),
    guardOutput: createGuardOutput(),
    settleCost: createSettleCost(adapters),
    leaveDeployment: createLeaveDeployment(adapters),
    writeLog: createWriteLog(adapters),
  });
}

/** The same stages around everything that is no chat. */
export function createOperations(
  adapters: PipelineAdapters,
  keys: AuthenticatePorts,
): Pick<DataPlanePorts, 'operation' | 'direct'> {
  const shared = {
    authenticate: createAuthenticate(keys),
    limitRate: createLimitRate(adapters),
    reserveBudget: createReserveBudget(adapters),
    chooseRoute: createChooseRoute(adapters),
    settleCost: createSettleCost(adapters),
    leaveDeployment: createLeaveDeployment(adapters),
    writeLog: createWriteLog(adapters),
  };
  return {
    operation: createOperationPipeline<Called>({
      ...shared,
      authorize: createAuthorizeOperation(),
      attempt: createAttemptWith(adapters, operationCarrier),
    }),
    direct: createOperationPipeline<Direct>({
      ...shared,
      authorize: createAuthorizeDirect(),
      attempt: createAttemptWith(adapters, directCarrier),
    }),
  };
}
