import type { Principal } from './exchange.ts';

/** Whose habits a request's cost is expected by: its project, else its team, else its key. */
export function costScope({ key }: Principal): string {
  return key?.projectId ?? key?.teamId ?? key?.id ?? '';
}
