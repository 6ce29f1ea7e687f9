import { describe, expect, it, vi } from 'vitest';
import { Reclaim, RestReclaim } from './reclaim.ts';

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

describe('a gateway at rest', () => {
  const collections = (readings: readonly (readonly [at: number, begun: number, running: number])[]) => {
    const at: number[] = [];
    let now = 0;
    const rest = new RestReclaim(0, () => at.push(now));
    for (const [time, begun, running] of readings) {
      now = time;
      rest.read(now, { begun, running });
    }
    return at;
  };

  it('gives back once what its start took, a second after it or after the first requests', () => {
    expect(
      collections([
        [250, 0, 0],
        [1000, 0, 0],
        [1250, 0, 0],
        [90_000, 0, 0],
      ]),
    ).toEqual([1000]);
    expect(
      collections([
        [250, 1, 1],
        [1250, 1, 1],
        [1500, 1, 0],
        [2000, 1, 0],
        [2500, 1, 0],
      ]),
    ).toEqual([2500]);
  });

  it('gives back after a busy time, not after a few requests, and never while one runs', () => {
    const start = [1000, 0, 0] as const;
    expect(collections([start, [2000, 9000, 0], [90_000, 9000, 0]])).toEqual([1000]);
    expect(collections([start, [2000, 12_000, 0], [31_000, 12_000, 0], [32_000, 12_000, 0]])).toEqual([
      1000, 32_000,
    ]);
    expect(collections([start, [2000, 12_000, 1], [90_000, 12_000, 1], [90_250, 12_000, 0]])).toEqual([1000]);
  });
});
