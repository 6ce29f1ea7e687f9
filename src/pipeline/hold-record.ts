import type { HoldRecord } from '../core/cost/exchange.ts';
import type { Ledger } from '../ports/ledger.ts';
import { type Exchange, extend, type Hold, type Principal } from './exchange.ts';

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
    charges: exchange.hold?.charges,
  };
}

/** A hold that no budget pays for. */
export function unpaidHold(amountNano: number): Hold {
  return { amountNano, budgetId: undefined, charges: undefined };
}

/** Sets money aside for a call of the gateway's own that no budget pays for; journalled, so that a killed process charges it. */
export async function holdUnpaid<E extends Exchange & { readonly principal: Principal }>(
  ledger: Pick<Ledger, 'hold'>,
  exchange: E,
  amountNano: number,
): Promise<E & { hold: Hold }> {
  const reserved = extend(exchange, { hold: unpaidHold(amountNano) });
  await ledger.hold(holdRecord(reserved, amountNano));
  return reserved;
}
