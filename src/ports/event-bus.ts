import type { ExchangeRecord } from '../core/cost/exchange.ts';

/** News for those who watch live. Delivery is best effort: a slow listener misses events rather than holding them up. */
export interface EventBus {
  publish(record: ExchangeRecord): void;
  /** Calls back for every exchange that ends; the returned function stops it. */
  subscribe(listener: (record: ExchangeRecord) => void): () => void;
}
