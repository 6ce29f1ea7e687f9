import type { AttemptRule } from '../core/policy/attempts.ts';

/** Attempts by name, counted for all processes together. `now` is a time of `Clock.monotonic`. */
export interface AttemptStore {
  /** Counts one more. Resolves to how long to wait, milliseconds; 0 lets it through. */
  begin(name: string, rule: AttemptRule, now: number): Promise<number>;
  forget(name: string): Promise<void>;
}
