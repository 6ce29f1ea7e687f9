import { WEEK_MS } from '../core/durations.ts';
import { SluiceError } from '../core/errors/error.ts';
import { type Receipt, receiptOf, replay } from '../core/routing/decision/receipt.ts';
import type { RouterPlan } from '../core/routing/decision/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Store } from '../ports/store.ts';
import { type Handlers, notFound, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import type { ParsedInputOf } from './contract.ts';
import { maySee, usdPerMillion } from './exchanges.ts';
import { type ExperimentFacts, reportExperiment } from './experiments.ts';
import { pageByName } from './named-pages.ts';
import { readRouterLog } from './router-log.ts';
import { planWithRules, whatIf } from './what-if.ts';

/** The live routers. */
export interface RouterDesk {
  /** Names in the order of the configuration. */
  names(): readonly string[];
  /** A router's plan with this baseline, its own when absent; `undefined` when there is no such router. */
  plan(name: string, baseline?: string): RouterPlan | undefined;
  baseline(name: string): string;
  experiments(name: string): readonly ExperimentFacts[];
  /** Version of what scores prompts. */
  readonly promptModel: string | undefined;
  /** A decision for a request that is not made. Throws as the data plane would. */
  explain(input: ParsedInputOf<'explainRoute'>): Promise<Receipt>;
}

interface RouterPorts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly routers: RouterDesk;
}

function unknownRouter(ports: RouterPorts, name: string): SluiceError {
  const names = ports.routers.names();
  const known = names.length === 0 ? 'None is configured.' : `There are: ${names.join(', ')}.`;
  return new SluiceError('not_found', `There is no router \`${name.slice(0, 200)}\`. ${known}`, {
    param: 'name',
  });
}

function planOf(ports: RouterPorts, name: string, baseline?: string): RouterPlan {
  const plan = ports.routers.plan(name, baseline);
  if (plan === undefined) throw unknownRouter(ports, name);
  return plan;
}

function spanOf(ports: RouterPorts, input: { from?: string | undefined; to?: string | undefined }) {
  const to = input.to === undefined ? ports.clock.now() : Date.parse(input.to);
  const from = input.from === undefined ? to - WEEK_MS : Date.parse(input.from);
  if (from >= to) throw new SluiceError('bad_request', '`from` must lie before `to`.', { param: 'from' });
  return { from, to };
}

function viewOf(ports: RouterPorts, name: string) {
  const plan = planOf(ports, name);
  return {
    name,
    version: plan.version,
    mode: plan.mode,
    canary_percent: plan.canaryPercent,
    baseline: ports.routers.baseline(name),
    objective: plan.objective,
    candidates: plan.candidates.map(({ model, tier, price }) => ({
      model,
      tier: tier ?? null,
      input_usd_per_mtok: price === undefined ? null : usdPerMillion(price.input),
      output_usd_per_mtok: price === undefined ? null : usdPerMillion(price.output),
    })),
    rules: plan.rules.map(({ name: title, when, use, mode }) => ({
      name: title ?? null,
      when,
      use,
      mode: mode ?? null,
    })),
    experiments: plan.experiments.map(({ name: title }) => title),
    thresholds: plan.thresholds.version,
    prompt_model: ports.routers.promptModel ?? null,
  };
}

type RouterHandlers = Pick<
  Handlers,
  'listRouters' | 'explainRoute' | 'replayRoute' | 'testRoute' | 'listExperiments'
>;

/** Routers: a look at them, decisions without calls, replays, what-ifs and experiments. */
export function createRouterHandlers(ports: RouterPorts): RouterHandlers {
  const { routers, store } = ports;
  return {
    async listRouters(page) {
      return pageByName(
        routers.names().map((name) => viewOf(ports, name)),
        page,
        ({ name }) => name,
      );
    },
    async explainRoute(input) {
      planOf(ports, input.name);
      return { ...(await routers.explain(input)) };
    },
    async replayRoute({ name, exchange_id: id }, caller) {
      planOf(ports, name);
      await caughtUp(ports);
      const record = await store.exchanges.get(id);
      if (record === undefined || !maySee(caller, record)) throw notFound('exchange');
      const recorded = record.receipt === undefined ? undefined : (JSON.parse(record.receipt) as Receipt);
      if (recorded?.router !== name) {
        throw new SluiceError('not_found', `\`${name}\` did not decide about this exchange.`, {
          param: 'exchange_id',
        });
      }
      const plan = planOf(ports, name, recorded.baseline);
      const again = replay(plan, recorded);
      const now = receiptOf(
        plan,
        { situation: recorded.input, decision: again.decision },
        recorded.state.prompt_model ?? undefined,
      );
      return {
        same_version: again.sameVersion,
        same_decision: again.sameDecision,
        recorded: { ...recorded },
        now: { ...now },
      };
    },
    async testRoute(input, caller) {
      const span = spanOf(ports, input);
      const plan = planWithRules(planOf(ports, input.name), input.rules, input.objective);
      await caughtUp(ports);
      const log = await readRouterLog({ store, caller }, input.name, span);
      return { from: toTime(span.from), to: toTime(span.to), ...whatIf(plan, log) };
    },
    async listExperiments(input, caller) {
      planOf(ports, input.name);
      const span = spanOf(ports, input);
      await caughtUp(ports);
      const { routed } = await readRouterLog({ store, caller }, input.name, span);
      const data = routers.experiments(input.name).map((experiment) => reportExperiment(experiment, routed));
      return pageByName(data, input, ({ name }) => name);
    },
  };
}
