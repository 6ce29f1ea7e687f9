import { nanoToUsd } from '../../core/cost/money.ts';
import { completionTokens, promptTokens } from '../../core/model/index.ts';
import { type Actual, receiptOf } from '../../core/routing/decision/receipt.ts';
import type { Clock } from '../../ports/clock.ts';
import { chargeExchange } from '../charge.ts';
import type { Ender, Ending } from '../compose.ts';
import type { Exchange, Grant } from '../exchange.ts';
import { type RouteObserver, tappedOf } from '../route-observer.ts';
import type { RoutingNote } from '../routing.ts';

type Noted = Exchange & { grant?: Grant };

/** The model that answered: the one granted, or a fallback that is a candidate too. */
function answeredBy(exchange: Noted, note: RoutingNote): string | undefined {
  const { deployment } = exchange.facts;
  const { grant, runtime } = exchange;
  if (deployment === undefined || grant === undefined) return undefined;
  const isAt = (model: string) =>
    runtime.resolve(model)?.deployments.some(({ id }) => id === deployment.id) === true;
  if (grant.route.deployments.some(({ id }) => id === deployment.id)) return grant.route.name;
  return note.plan.candidates.find(({ model }) => isAt(model))?.model;
}

function usd(nano: number | undefined): string | null {
  return nano === undefined ? null : nanoToUsd(nano);
}

function actualOf(
  exchange: Noted,
  note: RoutingNote,
  ended: { readonly model: string | undefined; readonly ending: Ending; readonly ms: number },
): Actual {
  const { cost } = chargeExchange(exchange);
  const earlier = note.calls.reduce((sum, { costNano }) => sum + (costNano ?? 0), 0);
  const calls = note.calls.map(({ model, costNano, cause, role }) => ({
    model,
    cost_usd: usd(costNano),
    ...(role === undefined ? { escalated_on: cause } : { escalated_on: null, role, verdict: cause }),
  }));
  const last = {
    model: note.final ?? ended.model ?? '',
    cost_usd: usd(cost === undefined ? undefined : cost.total - earlier),
    escalated_on: null,
  };
  return {
    model: ended.model,
    outcome: ended.ending.kind,
    cost_usd: usd(cost?.total),
    latency_ms: Math.round(ended.ms),
    ...(note.embeddingNano === undefined ? {} : { embedding_usd: nanoToUsd(note.embeddingNano) }),
    ...(calls.length === 0 ? {} : { calls: [...calls, last] }),
  };
}

/** Completes the receipt of a routed exchange with what became of it, and remembers where its session is. */
export function createNoteDecision(ports: {
  readonly clock: Clock;
  readonly observer?: RouteObserver | undefined;
}): Ender<Exchange> {
  return (exchange: Noted, ending) => {
    const note = exchange.facts.routing;
    if (note === undefined) return;
    const now = ports.clock.monotonic();
    const model = answeredBy(exchange, note);
    const { usage } = chargeExchange(exchange);
    if (model !== undefined && note.situation.reached !== 'implicit') {
      const tokens = promptTokens(usage) + completionTokens(usage);
      exchange.runtime.routing?.sessions.keep(note.sessionKey, { model, tokens, at: now });
    }
    const receipt = receiptOf(note.plan, note, note.promptModel);
    const actual = actualOf(exchange, note, { model, ending, ms: now - exchange.startedMono });
    exchange.facts.receipt = JSON.stringify({ ...receipt, actual });
    ports.observer?.ended({ exchange, ending, model, tapped: tappedOf(exchange) });
  };
}
