import type { Priority } from '../core/resilience/fair-queue.ts';
import { urgencyOf } from '../pipeline/urgency.ts';
import type { DataPlanePorts } from './call.ts';
import { readClientFacts } from './client-facts.ts';
import type { ClientRequest } from './client-request.ts';

/** Part of the places for requests that is kept for those of the class `high` (RELIABILITY R8). */
const RESERVED_SHARE = 0.1;

/** Places for requests of a class: some are kept free for the urgent ones. Of fewer than ten none is. */
export function placesFor(priority: Priority, all: number): number {
  return priority === 'high' ? all : all - Math.floor(all * RESERVED_SHARE);
}

/** A request's class, told before its body is read; asked only when places are short. Unknown callers are `normal`. */
export function classOf(
  ports: Pick<DataPlanePorts, 'admit' | 'runtime'>,
  request: ClientRequest,
  query: URLSearchParams | undefined,
): Priority {
  try {
    const client = readClientFacts(request, query);
    return urgencyOf(ports.admit(client, ports.runtime()).key, client).priority;
  } catch {
    return 'normal';
  }
}
