import { SluiceError } from '../../core/errors/error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Upstream } from '../../ports/upstream.ts';
import { createFetch } from '../http1/fetch.ts';

/** What speaking with providers of identities takes. */
export interface IdentityPorts {
  readonly clock: Clock;
  readonly upstream: Upstream;
}

const TIMEOUT_MS = 5000;
/** Discovery documents, key sets and token answers are a few kilobytes. */
const MAX_BYTES = 512 * 1024;

/** Calls to a provider of identities. */
export function identityFetch(
  { upstream }: IdentityPorts,
  { allowPrivateNetwork }: { readonly allowPrivateNetwork: boolean },
): typeof fetch {
  return createFetch(upstream, { allowPrivateNetwork, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
}

/** Says that the provider of identities cannot be reached now; nothing of where it is. */
export function unreachable(cause: unknown): SluiceError {
  return new SluiceError(
    'upstream_unreachable',
    'The identity provider does not answer; try again in a moment, or sign in another way.',
    { cause, retryAfterS: 5 },
  );
}
