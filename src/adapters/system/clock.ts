import type { Clock } from '../../ports/clock.ts';

/** The monotonic clock of the machine at the moment when this thread's own began: all processes measure by the same. */
const BEGAN_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's clocks. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => BEGAN_MS + performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
