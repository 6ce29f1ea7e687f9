import type { z } from 'zod';
import type { ExchangeRecord } from '../core/cost/exchange.ts';
import { badRequest } from '../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Receipt } from '../core/routing/decision/receipt.ts';
import { LABEL_WEIGHTS, type LabelSource, type RouteLabel } from '../core/routing/promise/label.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import { type Caller, type Handlers, notFound } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import type { feedbackInput } from './contracts/learning.ts';
import { can, canWithOwn } from './rights.ts';

/** What is said of an answer. */
export type Feedback = z.output<typeof feedbackInput>;

export interface FeedbackPorts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly take: (label: RouteLabel) => void;
}

interface Said {
  readonly source: LabelSource;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly pair?: NonNullable<RouteLabel['pair']>;
}

function receiptOf({ receipt }: ExchangeRecord): Receipt | undefined {
  return receipt === undefined ? undefined : (JSON.parse(receipt) as Receipt);
}

/** How good the answer was, as far as somebody says so. */
function scoreOf({ score, rating }: Feedback): number | undefined {
  if (score !== undefined) return score;
  return rating === undefined ? undefined : rating === 'up' ? 1 : 0;
}

async function saidOf(ports: FeedbackPorts, record: ExchangeRecord, said: Feedback): Promise<Said[]> {
  const model = receiptOf(record)?.actual?.model ?? record.model;
  const score = scoreOf(said);
  const all: Said[] = score === undefined ? [] : [{ source: 'feedback', outcomes: { [model]: score } }];
  const { gold } = said;
  if (gold === undefined) return all;
  if (gold.shadow === undefined) return [...all, { source: 'gold', outcomes: { [model]: gold.served } }];
  const labels = await ports.store.labels.list({ exchangeId: record.id }, 10);
  const pair = labels.find(({ source }) => source === 'shadow')?.pair;
  if (pair === undefined) {
    const message = 'There was no judged shadow of this exchange; leave `gold.shadow` out.';
    throw badRequest('gold.shadow', message);
  }
  return [
    ...all,
    { source: 'gold', pair, outcomes: { [pair.strong]: gold.served, [pair.weak]: gold.shadow } },
  ];
}

function labelFrom(
  record: ExchangeRecord,
  said: Said,
  given: { readonly id: string; readonly at: number; readonly comment: string | undefined },
): RouteLabel {
  const { comment, ...rest } = given;
  const receipt = receiptOf(record);
  const forecasts = (receipt?.candidates ?? []).flatMap(({ model, p_ok }): [string, number][] =>
    p_ok === null ? [] : [[model, p_ok]],
  );
  return {
    ...rest,
    ...said,
    router: receipt?.router ?? '',
    routeKey: receipt?.input.routeKey ?? '',
    exchangeId: record.id,
    weight: LABEL_WEIGHTS[said.source],
    propensity: 1,
    score: receipt?.score?.score ?? null,
    forecasts: Object.fromEntries(forecasts),
    versions: {
      router: receipt?.router_version ?? '',
      thresholds: receipt?.state.thresholds ?? '',
      promptModel: receipt?.state.prompt_model ?? null,
      upstream: {},
    },
    ...(comment === undefined ? {} : { comment }),
  };
}

/** The exchange of an id of ours or of the client's, if it is one of those that may be spoken of. */
async function find(
  ports: FeedbackPorts,
  requestId: string,
  isOwn: (record: ExchangeRecord) => boolean,
): Promise<ExchangeRecord> {
  await caughtUp(ports);
  const own = await ports.store.exchanges.get(requestId);
  if (own !== undefined && isOwn(own)) return own;
  const page = await ports.store.exchanges.list({ clientRequestId: requestId }, { limit: 50 });
  const found = page.data.find(isOwn);
  if (found === undefined) throw notFound('exchange');
  return found;
}

/** Takes feedback about an exchange that `isOwn` lets through. Throws `not_found` or `bad_request`. */
export async function takeFeedback(
  ports: FeedbackPorts,
  said: Feedback,
  isOwn: (record: ExchangeRecord) => boolean,
): Promise<{ exchange_id: string; learned: boolean; says: string }> {
  const { rating, score, comment, gold } = said;
  if (rating === undefined && score === undefined && comment === undefined && gold === undefined) {
    throw badRequest('rating', 'Send at least one of `rating`, `score`, `comment` and `gold`.');
  }
  const record = await find(ports, said.request_id, isOwn);
  const found = await saidOf(ports, record, said);
  const all: Said[] = found.length === 0 ? [{ source: 'feedback', outcomes: {} }] : found;
  for (const one of all) {
    const given = { id: ports.random.id('lbl_'), at: ports.clock.now(), comment };
    ports.take(labelFrom(record, one, given));
  }
  const learned = record.receipt !== undefined && found.length > 0;
  return {
    exchange_id: record.id,
    learned,
    says: learned
      ? 'Noted; the route learns from it.'
      : 'Noted. No router decided about this exchange, or there is no score to learn from.',
  };
}

/** Whether a caller may speak about an exchange: of a key he manages, or of his own. */
function mayRate(caller: Caller, { place }: ExchangeRecord): boolean {
  const at = {
    organizationId: place?.organizationId ?? DEFAULT_ORGANIZATION_ID,
    teamId: place?.teamId,
    ownerId: place?.ownerId,
  };
  return can(caller, 'keys:write', at) || canWithOwn(caller, 'own:write', at);
}

/** Feedback through the admin API. */
export function createFeedbackHandlers(ports: FeedbackPorts): Pick<Handlers, 'giveFeedback'> {
  return {
    giveFeedback: (input, caller) => takeFeedback(ports, input, (record) => mayRate(caller, record)),
  };
}
