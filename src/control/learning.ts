import { nanoToUsd } from '../core/cost/money.ts';
import { DAY_MS } from '../core/durations.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { QualityPromise } from '../core/routing/risk/index.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { RouteTrainer } from '../ports/route-trainer.ts';
import type { Store } from '../ports/store.ts';
import { type Handlers, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import { type RoutedExchange, readRouterLog } from './router-log.ts';
import { type ReportInput, type RouteStanding, reportOf, standingView } from './router-report.ts';
import type { RouterDesk } from './routers.ts';

/** What routes have learned, live. */
export interface LearningDesk {
  routes(router: string): readonly RouteStanding[];
  promise(router: string): QualityPromise;
  isGuarded(router: string): boolean;
  /** US dollars. */
  dailyCap(router: string): string;
  test: RouteTrainer['test'];
  /** Labels taken in so far are stored when this resolves. */
  flush(): Promise<void>;
  rollBack(router: string, routeKey: string | undefined): Promise<readonly RouteStanding[]>;
}

export interface LearningPorts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly routers: RouterDesk;
  readonly learning: LearningDesk;
}

const MAX_LABELS = 10_000;
const MAX_EVENTS = 50;
const MAX_DECISIONS = 20;

const CAUSES: Readonly<Record<string, string>> = {
  learned: 'the share was raised by what the comparisons prove',
  stepped_back: 'the promise was broken: the route stepped back by itself',
  rolled_back: 'somebody rolled the route back',
  model_changed: 'a provider changed a model: the route starts anew',
};

function saysOf(guarded: boolean, total: { readonly quality: ReportQuality }): string {
  if (!guarded)
    return 'No promise is kept: set `shadow.percent` and `shadow.judge` to have quality measured.';
  return `Quality: ${total.quality.says}.`;
}

interface ReportQuality {
  readonly says: string;
}

function decisionView({ record, receipt }: RoutedExchange) {
  return {
    exchange_id: record.id,
    at: toTime(record.startedAt),
    route_key: receipt.input.routeKey,
    tier: receipt.tier,
    reason: receipt.reason,
    model: receipt.proposed ?? receipt.model,
    served: receipt.actual?.model ?? receipt.served,
    followed: receipt.followed && receipt.proposed === undefined,
    held_out: receipt.held_out === true,
    cost_usd: record.cost === undefined ? null : nanoToUsd(record.cost.total),
  };
}

type LearningHandlers = Pick<Handlers, 'reportRouter' | 'rollBackRouter'>;

async function report(
  ports: LearningPorts,
  input: { readonly name: string; readonly from: number; readonly to: number },
  caller: Parameters<Handlers['reportRouter']>[1],
): ReturnType<Handlers['reportRouter']> {
  const { store, routers, learning } = ports;
  const { name, from, to } = input;
  const plan = routers.plan(name);
  if (plan === undefined) throw unknown(ports, name);
  await caughtUp(ports);
  await learning.flush();
  const log = await readRouterLog({ store, caller }, name, { from, to });
  // Whoever sees a part of the log sees the part of the labels that belongs to it.
  const all = caller.tenant === 'every';
  const seen = new Set(log.routed.map(({ record }) => record.id));
  const mine = <T extends { readonly exchangeId: string; readonly at: number }>(rows: readonly T[]) =>
    rows.filter((row) => row.at < to && (all || seen.has(row.exchangeId)));
  const labels = mine(await store.labels.list({ router: name, since: from }, MAX_LABELS));
  const runs = mine(await store.labels.runs(name, from));
  const keys = new Set(log.routed.map(({ receipt }) => receipt.input.routeKey));
  const standings = learning.routes(name).filter(({ routeKey }) => all || keys.has(routeKey));
  const promise = learning.promise(name);
  const facts: ReportInput = {
    plan,
    routed: log.routed,
    labels,
    runs,
    standings,
    promise,
    test: learning.test,
  };
  const figures = await reportOf(facts);
  const today = Math.floor(ports.clock.now() / DAY_MS) * DAY_MS;
  const versions = await store.labels.versions(name, MAX_EVENTS);
  const guarded = learning.isGuarded(name);
  return {
    router: name,
    mode: plan.mode,
    baseline: routers.baseline(name),
    from: toTime(from),
    to: toTime(to),
    truncated: log.truncated,
    max_loss_percent: Math.round(promise.epsilon * 1000) / 10,
    confidence_percent: Math.round((1 - promise.delta) * 1000) / 10,
    guarded,
    says: saysOf(guarded, figures.total),
    ...figures,
    shadow: {
      runs: runs.length,
      judged: runs.filter(({ status }) => status === 'judged').length,
      failed: runs.filter(({ status }) => status !== 'judged').length,
      spent_today_usd: nanoToUsd(await store.labels.spent(name, today)),
      max_usd_per_day: learning.dailyCap(name),
    },
    decisions: log.routed.slice(0, MAX_DECISIONS).map(decisionView),
    events: versions
      .filter(({ routeKey }) => all || keys.has(routeKey))
      .map(({ routeKey, version, state }) => ({
        at: toTime(state.at),
        route_key: routeKey,
        version,
        cause: state.cause,
        says: CAUSES[state.cause] ?? state.cause,
      })),
  };
}

function unknown(ports: LearningPorts, name: string): SluiceError {
  const names = ports.routers.names();
  const known = names.length === 0 ? 'None is configured.' : `There are: ${names.join(', ')}.`;
  return new SluiceError('not_found', `There is no router \`${name.slice(0, 200)}\`. ${known}`, {
    param: 'name',
  });
}

/** What routers save, and the way back. */
export function createLearningHandlers(ports: LearningPorts): LearningHandlers {
  return {
    async reportRouter(input, caller) {
      const to = input.to === undefined ? ports.clock.now() : Date.parse(input.to);
      const from = input.from === undefined ? to - 7 * DAY_MS : Date.parse(input.from);
      if (from >= to) throw new SluiceError('bad_request', '`from` must lie before `to`.', { param: 'from' });
      return report(ports, { name: input.name, from, to }, caller);
    },
    async rollBackRouter({ name, route_key: routeKey }) {
      if (ports.routers.plan(name) === undefined) throw unknown(ports, name);
      const moved = await ports.learning.rollBack(name, routeKey);
      if (moved.length === 0) {
        throw new SluiceError('not_found', 'No route of this router has learned anything to go back from.', {
          param: 'route_key',
        });
      }
      return { routes: moved.map(standingView) };
    },
  };
}
