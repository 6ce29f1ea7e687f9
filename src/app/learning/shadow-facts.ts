import type { JsonObject } from '../../core/model/index.ts';
import type { LabelSource, RouteLabel } from '../../core/routing/promise/label.ts';
import { LABEL_WEIGHTS } from '../../core/routing/promise/label.ts';
import type { Exchange, Principal } from '../../pipeline/exchange.ts';
import { KEPT_FIELDS } from '../../pipeline/kept-state.ts';
import type { RoutingNote } from '../../pipeline/routing.ts';

const MAX_COPIED_BYTES = 256 * 1024;

/** What was, or would have been, decided for a weaker model than the one that answers. */
export function weakerOf({ decision, plan, situation }: RoutingNote): string | undefined {
  const wanted = decision.proposed ?? decision.model;
  const place = (name: string) => plan.candidates.findIndex(({ model }) => model === name);
  const at = place(wanted);
  return at >= 0 && at < place(situation.baseline) ? wanted : undefined;
}

/** Whether a request can be asked again elsewhere without doing or changing anything. */
export function isCopyable(exchange: Exchange, body: JsonObject, note: RoutingNote): boolean {
  const { envelope, raw, principal } = exchange as Exchange & { readonly principal?: Principal };
  if (principal === undefined || note.situation.toolLoop || envelope.choices > 1) return false;
  // An approval was given for one call, and a stored conversation lives with one provider.
  if (principal.policy.approvals.length > 0) return false;
  if (KEPT_FIELDS.some((field) => (body[field] ?? null) !== null)) return false;
  return raw.length <= MAX_COPIED_BYTES && principal.ownCredential === undefined;
}

/** The same request for another model: in one piece, and kept by nobody. */
export function copyOf(body: JsonObject, model: string): JsonObject {
  const { stream: _, stream_options: __, store, ...rest } = body;
  return { ...rest, model, ...(store === undefined && !('input' in body) ? {} : { store: false }) };
}

/** The facts that every label of an exchange has. */
export function labelOf(
  exchange: Pick<Exchange, 'id' | 'startedAt'>,
  note: RoutingNote,
  given: { readonly id: string; readonly source: LabelSource; readonly outcomes: RouteLabel['outcomes'] },
): RouteLabel {
  const { plan, situation, decision, promptModel } = note;
  const forecasts = decision.judged.flatMap(({ candidate, pOk }): [string, number][] =>
    pOk === undefined ? [] : [[candidate.model, Math.round(pOk * 1e4) / 1e4]],
  );
  return {
    ...given,
    at: exchange.startedAt,
    router: plan.name,
    routeKey: situation.routeKey,
    exchangeId: exchange.id,
    weight: LABEL_WEIGHTS[given.source],
    propensity: 1,
    score: situation.score?.score ?? null,
    forecasts: Object.fromEntries(forecasts),
    versions: {
      router: plan.version,
      thresholds: plan.thresholds.version,
      promptModel: promptModel ?? null,
      upstream: {},
    },
  };
}
