import type { z } from 'zod';
import type { Cost, ExchangeRecord } from '../core/cost/exchange.ts';
import { nanoToUsd } from '../core/cost/money.ts';
import type { Price, PriceSnapshot } from '../core/cost/price.ts';
import { badRequest } from '../core/errors/error.ts';
import type { Usage } from '../core/model/index.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Store } from '../ports/store.ts';
import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import { caughtUp } from './caught-up.ts';
import { can, canWithOwn, extentOf } from './rights.ts';
import type { exchangeDetail, exchangeRow, usageView } from './shapes.ts';

function usageRow(usage: Usage): z.output<typeof usageView> {
  return {
    input: usage.input,
    cache_read: usage.cacheRead,
    cache_write_5m: usage.cacheWrite5m,
    cache_write_1h: usage.cacheWrite1h,
    output: usage.output,
    reasoning: usage.reasoning,
    audio_input: usage.audioInput,
    audio_output: usage.audioOutput,
    images: usage.images,
    source: usage.source,
  };
}

/** A log row as the API shows it. */
export function exchangeRowOf(record: ExchangeRecord): z.output<typeof exchangeRow> {
  return {
    id: record.id,
    client_request_id: record.clientRequestId ?? null,
    started_at: toTime(record.startedAt),
    key_id: record.keyId ?? null,
    organization_id: record.place?.organizationId ?? DEFAULT_ORGANIZATION_ID,
    team_id: record.place?.teamId ?? null,
    project_id: record.place?.projectId ?? null,
    operation: record.operation,
    model: record.model,
    provider: record.provider ?? null,
    upstream_model: record.upstreamModel ?? null,
    format: record.format,
    stream: record.stream,
    status: record.status,
    outcome: record.outcome,
    error: record.error ?? null,
    finish_reason: record.finishReason ?? null,
    usage: usageRow(record.usage),
    cost_usd: record.cost === undefined ? null : nanoToUsd(record.cost.total),
    latency_ms: Math.round(record.latencyMs * 1000) / 1000,
    first_byte_ms: record.firstByteMs === undefined ? null : Math.round(record.firstByteMs * 1000) / 1000,
    attempts: record.attempts.filter(({ kind }) => kind !== 'skipped').length,
    cache: record.cache,
    plan: record.plan ?? null,
    tags: { ...record.tags },
    user: record.user ?? null,
    session: record.session ?? null,
  };
}

function costRow(cost: Cost): z.output<typeof exchangeDetail>['cost_by_class'] {
  return {
    input: nanoToUsd(cost.input),
    cache_read: nanoToUsd(cost.cacheRead),
    cache_write_5m: nanoToUsd(cost.cacheWrite5m),
    cache_write_1h: nanoToUsd(cost.cacheWrite1h),
    output: nanoToUsd(cost.output),
    audio_input: nanoToUsd(cost.audioInput),
    audio_output: nanoToUsd(cost.audioOutput),
    images: nanoToUsd(cost.images),
    requests: nanoToUsd(cost.requests),
    total: nanoToUsd(cost.total),
  };
}

/** Pico-dollars per token as US dollars per million tokens: the numbers differ by 10⁶, as nano-dollars by 10³. */
export function usdPerMillion(pico: number): string {
  return nanoToUsd(pico * 1000);
}

function priceRow(snapshot: PriceSnapshot): z.output<typeof exchangeDetail>['price'] {
  const { tiers: _, terms: __, ...rates } = snapshot.price;
  const perMillion = Object.fromEntries(
    Object.entries(rates as Omit<Price, 'tiers' | 'terms'>).map(([name, pico]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      usdPerMillion(pico),
    ]),
  );
  const { source, asOf, terms } = snapshot;
  return { source, as_of: asOf, usd_per_mtok: perMillion, terms: [...(terms ?? [])] };
}

function detailOf(record: ExchangeRecord): z.output<typeof exchangeDetail> {
  return {
    ...exchangeRowOf(record),
    attempts_detail: record.attempts.map((attempt) => ({
      provider: attempt.provider,
      upstream_model: attempt.upstreamModel,
      started_at: toTime(attempt.startedAt),
      latency_ms: Math.round(attempt.latencyMs * 1000) / 1000,
      status: attempt.status ?? null,
      error: attempt.error ?? null,
      kind: attempt.kind ?? ('first' as const),
      region: attempt.region ?? null,
    })),
    upstream_format: record.upstreamFormat ?? null,
    dropped: [...record.dropped],
    cost_by_class: record.cost === undefined ? null : costRow(record.cost),
    price: record.price === undefined ? null : priceRow(record.price),
    metadata: record.metadata ?? null,
    decision: record.receipt === undefined ? null : JSON.parse(record.receipt),
    ruling: record.ruling === undefined ? null : JSON.parse(record.ruling),
  };
}

/** Whether an exchange is the caller's to read: of his organization, his team, or made with his own key. */
export function maySee(caller: Caller, { place }: ExchangeRecord): boolean {
  const at = {
    organizationId: place?.organizationId ?? DEFAULT_ORGANIZATION_ID,
    teamId: place?.teamId,
    ownerId: place?.ownerId,
  };
  return can(caller, 'exchanges:read', at) || canWithOwn(caller, 'own:read', at);
}

function tagFilter(text: string | undefined): { name: string; value?: string } | undefined {
  if (text === undefined) return undefined;
  const at = text.indexOf('=');
  if (at === 0) throw badRequest('tag', '`tag` is written `name` or `name=value`.');
  return at < 0 ? { name: text } : { name: text.slice(0, at), value: text.slice(at + 1) };
}

/** The log of exchanges. */
export function createExchangeHandlers(ports: {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
}): Pick<Handlers, 'listExchanges' | 'getExchange'> {
  return {
    async listExchanges(input, caller) {
      await caughtUp(ports);
      const page = await ports.store.exchanges.list(
        {
          extent: extentOf(caller, 'exchanges:read', input.organization_id),
          teamId: input.team_id,
          keyId: input.key_id,
          model: input.model,
          provider: input.provider,
          status: input.status,
          clientRequestId: input.client_request_id,
          tag: tagFilter(input.tag),
          from: input.from === undefined ? undefined : Date.parse(input.from),
          to: input.to === undefined ? undefined : Date.parse(input.to),
        },
        { limit: input.limit, cursor: input.cursor },
      );
      return { data: page.data.map(exchangeRowOf), next_cursor: page.nextCursor ?? null };
    },
    async getExchange({ id }, caller) {
      await caughtUp(ports);
      const record = await ports.store.exchanges.get(id);
      if (record === undefined || !maySee(caller, record)) throw notFound('exchange');
      return detailOf(record);
    },
  };
}
