import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import type { EventBus } from '../../ports/event-bus.ts';

/** News within one process. */
export function createMemoryEventBus(): EventBus {
  const listeners = new Set<(record: ExchangeRecord) => void>();
  return {
    publish(record) {
      for (const listener of listeners) listener(record);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}
