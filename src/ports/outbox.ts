/** Sends a little later, together with what others send. */
export interface Outbox {
  /** Calls `send` soon, once, after all that was added before. */
  add(send: () => void): void;
}
