import { describe, expect, it, vi } from 'vitest';
import { Reclaim } from './reclaim.ts';

const MB = 1024 * 1024;

/** Whether what only `reclaim` could have freed is gone. */
async function isCollected(bytes: number, waitMs: number): Promise<boolean> {
  const dropped = new WeakRef({ large: new Array(100_000).fill(0) });
  const reclaim = new Reclaim();
  vi.useFakeTimers();
  try {
    for (let noted = 0; noted < bytes; noted += 31 * MB) reclaim.note(31 * MB);
    vi.advanceTimersByTime(waitMs);
  } finally {
    vi.useRealTimers();
  }
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
  return dropped.deref() === undefined;
}

describe('memory of large bodies', () => {
  it('is collected once a burst of them is over', async () => {
    expect(await isCollected(93 * MB, 3100)).toBe(true);
  });

  it('is left alone while they still come, and for a single one', async () => {
    expect(await isCollected(93 * MB, 2900)).toBe(false);
    expect(await isCollected(31 * MB, 10_000)).toBe(false);
  });
});
