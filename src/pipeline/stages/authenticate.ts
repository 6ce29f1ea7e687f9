import { SluiceError } from '../../core/errors/error.ts';
import { KEY_PREFIX } from '../../core/policy/key.ts';
import type { KeySnapshot } from '../../core/policy/key-snapshot.ts';
import type { VirtualKey } from '../../core/policy/virtual-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SecretBox } from '../../ports/secret-box.ts';
import { type ClientFacts, type Exchange, extend, type Principal } from '../exchange.ts';
import type { Runtime } from '../runtime.ts';

export interface AuthenticatePorts {
  readonly keys: () => KeySnapshot;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  /** Called with every key that is none of ours. Throws `rate_limited` for an address that sent too many. */
  readonly wrongKey?: (address: string) => void;
}

/** The key behind a presented secret. Throws `invalid_key`, `key_expired` or `key_blocked`. */
export function findKey(ports: AuthenticatePorts, secret: string): VirtualKey {
  const found = ports.keys().find(ports.secrets.hashKey(secret));
  if (found === undefined) {
    throw new SluiceError(
      'invalid_key',
      'This virtual key is not known. Check it, or create one with `sluice keys create`.',
    );
  }
  const { key, previous } = found;
  const now = ports.clock.now();
  if (previous && (key.previousHashExpiresAt === undefined || key.previousHashExpiresAt <= now)) {
    throw new SluiceError('key_expired', 'This virtual key was rotated; use the new one.');
  }
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new SluiceError('key_expired', 'This virtual key has expired; ask its owner for a new one.');
  }
  if (key.blocked)
    throw new SluiceError('key_blocked', 'This virtual key is blocked; ask its owner to unblock it.');
  return key;
}

/** Tells {@link AuthenticatePorts.wrongKey} of guesses. Right keys never come here and cost nothing more. */
function refused(ports: AuthenticatePorts, client: ClientFacts, error: unknown): unknown {
  if (error instanceof SluiceError && error.code === 'invalid_key') ports.wrongKey?.(client.address);
  return error;
}

/**
 * Who presents these facts. Throws a 401, or 429 after too many wrong keys from one address. A right key is served even
 * then: an address may stand for many clients, and 192 random bits are not guessed.
 */
export function admit(ports: AuthenticatePorts, client: ClientFacts, runtime: Runtime): Principal {
  try {
    return identify(ports, client, runtime);
  } catch (error) {
    throw refused(ports, client, error);
  }
}

/**
 * Who presents these facts. The mode is open only on loopback and only until the first virtual key exists, unless the
 * configuration says otherwise. Throws a 401.
 */
function identify(ports: AuthenticatePorts, client: ClientFacts, runtime: Runtime): Principal {
  const { credential } = client;
  if (credential?.startsWith(KEY_PREFIX) === true) {
    return { key: findKey(ports, credential), ownCredential: undefined };
  }
  const open = (runtime.accessMode ?? (ports.keys().size === 0 ? 'open' : 'keys')) === 'open';
  if (open) return { key: undefined, ownCredential: credential };
  if (credential === undefined) {
    throw new SluiceError(
      'missing_key',
      'Send a virtual key as `Authorization: Bearer sk-sluice-…` or `x-api-key`.',
    );
  }
  throw new SluiceError(
    'invalid_key',
    'This is not a virtual key of this gateway; they start with `sk-sluice-`.',
  );
}

/** Virtual key, or in open mode nobody, → principal. */
export function createAuthenticate(
  ports: AuthenticatePorts,
): <E extends Exchange>(received: E) => E & { principal: Principal } {
  return (received) => extend(received, { principal: admit(ports, received.client, received.runtime) });
}
