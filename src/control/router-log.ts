import type { ExchangeRecord } from '../core/cost/exchange.ts';
import type { Receipt } from '../core/routing/decision/receipt.ts';
import type { Store } from '../ports/store.ts';
import type { Caller } from './caller.ts';
import { maySee } from './exchanges.ts';
import { extentOf } from './rights.ts';

const PAGE = 500;
/** Exchanges looked at for one answer; the newest count. */
const MAX_EXCHANGES = 20_000;

/** A logged exchange with its receipt. */
export interface RoutedExchange {
  readonly record: ExchangeRecord;
  readonly receipt: Receipt;
}

/** What a span of the log holds for one router. */
export interface RouterLog {
  readonly routed: readonly RoutedExchange[];
  /** Exchanges that asked for the router by name and carry no readable receipt. */
  readonly withoutReceipt: number;
  /** The span held more than is looked at. */
  readonly truncated: boolean;
}

function receiptOf(record: ExchangeRecord): Receipt | undefined {
  if (record.receipt === undefined) return undefined;
  try {
    const value = JSON.parse(record.receipt) as Receipt;
    return typeof value === 'object' && value !== null && 'input' in value ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the exchanges of one router that the caller may see, newest first. */
export async function readRouterLog(
  ports: { readonly store: Store; readonly caller: Caller },
  router: string,
  span: { readonly from: number; readonly to: number },
): Promise<RouterLog> {
  const routed: RoutedExchange[] = [];
  let withoutReceipt = 0;
  let seen = 0;
  let cursor: string | undefined;
  do {
    const page = await ports.store.exchanges.list(
      { ...span, extent: extentOf(ports.caller, 'exchanges:read', undefined) },
      { limit: PAGE, cursor },
    );
    for (const record of page.data) {
      if (!maySee(ports.caller, record)) continue;
      const receipt = receiptOf(record);
      if (receipt?.router === router) routed.push({ record, receipt });
      else if (receipt === undefined && record.model === router) withoutReceipt++;
    }
    seen += page.data.length;
    cursor = page.nextCursor;
  } while (cursor !== undefined && seen < MAX_EXCHANGES);
  return { routed, withoutReceipt, truncated: cursor !== undefined };
}
