import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';

/** A reader waits at most this long for what was journalled just now; then it gets what is there. */
const MAX_WAIT_MS = 500;

/** Resolves once everything journalled so far is visible to queries: whoever has his answer finds it in the log. */
export async function caughtUp(ports: { readonly ledger: Ledger; readonly clock: Clock }): Promise<void> {
  let cancel: (() => void) | undefined;
  const late = new Promise<void>((resolve) => {
    cancel = ports.clock.after(MAX_WAIT_MS, resolve);
  });
  await Promise.race([ports.ledger.flush().catch(() => undefined), late]);
  cancel?.();
}
