/** What only one process does at a time. Times are of `Clock.monotonic`. */
export interface TurnStore {
  /** Takes or prolongs a turn, until `endsAt` or until this process is gone. False while another process has it. */
  take(name: string, now: number, endsAt: number): Promise<boolean>;
  /** Gives it back. */
  give(name: string): Promise<void>;
}
