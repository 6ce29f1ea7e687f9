import { badRequest } from '../core/errors/error.ts';
import { PRIORITIES, type Priority } from '../core/resilience/fair-queue.ts';
import type { ClientRequest } from './client-request.ts';

const MAX_REGIONS = 16;

/** How urgent a request says it is (`x-sluice-priority`); nearly always nothing. Throws `bad_request`. */
export function askedPriority({ headers }: ClientRequest): Priority | undefined {
  const text = headers['x-sluice-priority'];
  if (typeof text !== 'string') return undefined;
  const found = PRIORITIES.find((name) => name === text.trim().toLowerCase());
  if (found === undefined)
    throw badRequest('x-sluice-priority', 'Write `x-sluice-priority: high`, `normal` or `low`.');
  return found;
}

/** Where a request asks to be processed (`x-sluice-region: eu, us-east-1`). Throws `bad_request`. */
export function askedRegions({ headers }: ClientRequest): readonly string[] | undefined {
  const text = headers['x-sluice-region'];
  if (typeof text !== 'string') return undefined;
  const regions = text.split(',').map((name) => name.trim());
  const readable = regions.every((name) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name));
  if (regions.length > MAX_REGIONS || !readable) {
    throw badRequest(
      'x-sluice-region',
      `Write \`x-sluice-region: REGION\`, or up to ${MAX_REGIONS} of them with commas between.`,
    );
  }
  return regions;
}
