import { PRIORITIES, type Priority } from '../core/resilience/fair-queue.ts';
import type { ClientFacts, Principal } from './exchange.ts';

/** How a request stands in a queue. */
export interface Urgency {
  readonly priority: Priority;
  /** Turns relative to others of its class. */
  readonly weight: number;
}

const MAX_WEIGHT = 1000;

function classOf(text: string | undefined): Priority | undefined {
  return PRIORITIES.find((name) => name === text);
}

/**
 * A key's class and weight, from its metadata: `priority` (`normal` when absent), `queue_weight` (1), and `max_priority`,
 * the most urgent class a request may ask for by `x-sluice-priority` (the key's own when absent). Asking for less is always
 * allowed; asking for more counts as the most allowed.
 */
export function urgencyOf(key: Principal['key'], client: Pick<ClientFacts, 'priority'>): Urgency {
  const metadata = key?.metadata ?? {};
  const own = classOf(metadata['priority']) ?? 'normal';
  const most = classOf(metadata['max_priority']) ?? own;
  const asked = client.priority ?? own;
  const rank = Math.max(
    PRIORITIES.indexOf(asked),
    Math.min(PRIORITIES.indexOf(most), PRIORITIES.indexOf(own)),
  );
  const weight = Number(metadata['queue_weight'] ?? 1);
  return {
    priority: PRIORITIES[rank] ?? 'normal',
    weight: weight > 0 && weight <= MAX_WEIGHT ? weight : 1,
  };
}
