import type { UpstreamTimeouts } from '../../ports/upstream.ts';

/** The same limit for each phase of a call. Milliseconds; 0 switches all off. */
export function evenTimeouts(ms: number): UpstreamTimeouts {
  return { connectMs: ms, firstByteMs: ms, idleMs: ms, totalMs: ms };
}
