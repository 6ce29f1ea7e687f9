/** What is new about the processes on the same database. */
export interface ProcessNews {
  /** Other processes that run. */
  readonly others: number;
  /** When the newest of them joined, in versions; 0 without any. */
  readonly newest: number;
  /** One left or came: figures of any may have changed. */
  readonly changed: boolean;
}

/**
 * The processes that share a database. One that is alone keeps all counts in its memory; one that joins waits until all
 * others have acknowledged it, which they do once they write down what they count.
 */
export interface ProcessRegister {
  /** This process runs; resolves to its version. */
  join(): Promise<number>;
  /** Whether every other process has acknowledged that version. */
  isAcknowledged(version: number): Promise<boolean>;
  /** Whether no process that runs joined before that version. */
  isEldest(version: number): Promise<boolean>;
  acknowledge(version: number): Promise<void>;
  news(): Promise<ProcessNews>;
  /** Charges what processes left behind that are gone; resolves to how many. */
  takeOver(): Promise<number>;
  /** Everything is settled; what it claimed is taken back. */
  leave(): Promise<void>;
}
