import type { HoldRecord } from '../core/cost/exchange.ts';
import type { Exchange, Hold, Principal } from './exchange.ts';

/** What the journal keeps of a hold; a later record of the same exchange replaces an earlier one. */
export function holdRecord(
  exchange: Exchange & { readonly principal?: Principal; readonly hold?: Hold },
  heldNano: number,
): HoldRecord {
  return {
    id: exchange.id,
    startedAt: exchange.startedAt,
    keyId: exchange.principal?.key?.id,
    place: exchange.principal?.place,
    model: exchange.envelope.model,
    format: exchange.codec.id,
    stream: exchange.envelope.stream,
    clientRequestId: exchange.client.clientRequestId,
    heldNano,
    tags: exchange.client.tags,
    operation: exchange.operation,
    user: exchange.client.user,
    ...(exchange.hold?.charges === undefined ? {} : { charges: exchange.hold.charges }),
  };
}
