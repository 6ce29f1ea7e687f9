import type { JsonObject } from '../core/model/index.ts';
import { type Ender, pipeline, type Stage, settleOnEnd } from './compose.ts';
import { type Exchange, extend, type Grant, type Principal, type Slot } from './exchange.ts';

/** A question to the router itself: no model is called and nothing is charged. */
export interface RouterCall extends Exchange {
  readonly operation: 'classify' | 'multimodel';
  readonly body: JsonObject;
}

/** The answered question. */
export type RouterAnswered = RouterCall & { principal: Principal; slot: Slot; result: JsonObject };

type Admitted = RouterCall & { principal: Principal };
type Granted = Admitted & { grant: Grant };
type Limited = Granted & { slot: Slot };

/** The stages of a question to the router. */
export interface RouterCallStages {
  readonly authenticate: Stage<RouterCall, Admitted>;
  readonly limitRate: Stage<Granted, Limited>;
  readonly answer: Stage<Limited, RouterAnswered>;
  readonly settleCost: Ender<Exchange>;
  readonly writeLog: Ender<Exchange>;
}

/** Nothing is asked of any model; limits still want to know of which. */
function grantNothing(call: Admitted): Granted {
  const route = {
    name: call.envelope.model,
    deployments: [],
    strategy: 'priority' as const,
    retries: { attempts: 0, backoffMs: 0, maxBackoffMs: 0 },
    fallbacks: [],
    fallbacksOn: {},
  };
  call.facts.free = true;
  return extend(call, { grant: { route, objective: undefined } });
}

/** The life of a question to the router: known, limited and logged like any other call. */
export const createRouterCallPipeline = (s: RouterCallStages): Stage<RouterCall, RouterAnswered> =>
  settleOnEnd<RouterCall, RouterAnswered>(
    pipeline<RouterCall, Granted, RouterAnswered>(
      pipeline<RouterCall, Admitted, Granted>(s.authenticate, grantNothing),
      pipeline<Granted, Limited, RouterAnswered>(s.limitRate, s.answer),
    ),
    [s.settleCost, s.writeLog],
  );
