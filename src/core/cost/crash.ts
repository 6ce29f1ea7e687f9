import { UNKNOWN_USAGE } from '../model/index.ts';
import { unsplitCost } from './cost.ts';
import type { ExchangeRecord, HoldRecord } from './exchange.ts';

/**
 * The log row of an exchange whose process died with the hold open: charged with the whole hold, because the upstream
 * may have been called and its answer is lost. The status is 500, what the client saw at best was a closed connection.
 */
export function crashedExchange(hold: HoldRecord): ExchangeRecord {
  return {
    id: hold.id,
    clientRequestId: hold.clientRequestId,
    startedAt: hold.startedAt,
    keyId: hold.keyId,
    operation: hold.operation ?? 'unknown',
    model: hold.model,
    provider: undefined,
    upstreamModel: undefined,
    format: hold.format,
    upstreamFormat: undefined,
    stream: hold.stream,
    status: 500,
    outcome: 'crashed',
    error: 'internal',
    finishReason: undefined,
    usage: { ...UNKNOWN_USAGE, source: 'estimated' },
    cost: unsplitCost(hold.heldNano),
    price: undefined,
    latencyMs: 0,
    firstByteMs: undefined,
    attempts: [],
    cache: 'bypass',
    plan: undefined,
    dropped: [],
    tags: hold.tags,
    user: hold.user,
    session: undefined,
    metadata: undefined,
    receipt: undefined,
    ...(hold.place === undefined ? {} : { place: hold.place }),
    ...(hold.charges === undefined ? {} : { charges: hold.charges }),
  };
}
