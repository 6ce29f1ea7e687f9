import type { Seen } from './invariants.ts';
import type { ProviderCall } from './provider.ts';
import type { World } from './world.ts';

/** Situations that a run of many seeds must come through, or it proves nothing about them. */
export const LANDMARKS = [
  'outcome answered',
  'outcome failed',
  'outcome cut',
  'outcome abandoned',
  'outcome refused',
  'tried again',
  'failed over',
  'answered by another model',
  'queued',
  'hedged',
  'read on without its client',
  'circuit opened',
  'credential refused',
  'disk refused',
  'refused while draining',
  'reloaded with requests under way',
  'crashed with requests under way',
  'hold charged after a crash',
  'left while sending its request',
  'left while money was reserved',
  'left while nobody worked on it',
  'left before the provider answered',
  'left in the middle of the answer',
  'left after the last byte',
  'stopped reading',
] as const;

export type Landmark = (typeof LANDMARKS)[number] | `outcome ${string}`;

/** How far a request was when its client hung up. */
export function whereLeft(
  world: World,
  at: { readonly mark: number; readonly seen: Seen | undefined; readonly calls: readonly ProviderCall[] },
): Landmark {
  const { mark, seen, calls } = at;
  if (seen === undefined) return 'left while sending its request';
  if (!world.disk.held.has(seen.exchange.id)) return 'left while money was reserved';
  const status = world.clients[mark]?.status ?? 0;
  if (status !== 0)
    return seen.endedAt === undefined ? 'left in the middle of the answer' : 'left after the last byte';
  // In a queue, or between two tries.
  if (calls.every(({ closedAt }) => closedAt !== undefined)) return 'left while nobody worked on it';
  return 'left before the provider answered';
}
