import { SluiceError } from '../../core/errors/error.ts';
import { KEY_PREFIX } from '../../core/policy/key.ts';
import { allowsAddress, allowsOperation, type EffectivePolicy } from '../../core/policy/policy.ts';
import type { KeyEntry, PolicySnapshot } from '../../core/policy/policy-snapshot.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SecretBox } from '../../ports/secret-box.ts';
import type { ClientFacts, Exchange, Principal } from '../exchange.ts';
import type { Runtime } from '../runtime.ts';

/** JWTs begin with `{"` in base64url (RFC 7519). */
const TOKEN_PREFIX = 'eyJ';

/** OpenAI's own words: LiteLLM tells a wrong key from a bad request by them, not by the status. */
const NO_KEY = 'Incorrect API key provided';

export interface AuthenticatePorts {
  readonly keys: () => PolicySnapshot;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  /** Called with every key that is none of ours. Throws `rate_limited` for an address that sent too many. */
  readonly wrongKey?: (address: string) => void;
  /** Tokens of configured issuers; a token was prepared before. Throws why one is refused. */
  readonly tokens?: { find(token: string): KeyEntry | undefined };
}

/** The key behind a presented secret. Throws `invalid_key`, `key_expired` or `key_blocked`. */
function findKey(ports: AuthenticatePorts, secret: string): KeyEntry {
  const found = ports.keys().find(ports.secrets.hashKey(secret));
  if (found === undefined) {
    throw new SluiceError(
      'invalid_key',
      `${NO_KEY}: this virtual key is not known. Check it, or create one with \`sluice keys create\`.`,
    );
  }
  const { entry, previous } = found;
  const { key } = entry;
  const now = ports.clock.now();
  if (previous && (key.previousHashExpiresAt === undefined || key.previousHashExpiresAt <= now)) {
    throw new SluiceError('key_expired', 'This virtual key was rotated; use the new one.');
  }
  if (key.expiresAt !== undefined && key.expiresAt <= now) {
    throw new SluiceError('key_expired', 'This virtual key has expired; ask its owner for a new one.');
  }
  if (key.blocked)
    throw new SluiceError('key_blocked', 'This virtual key is blocked; ask its owner to unblock it.');
  if (entry.suspended !== undefined) throw suspended(entry.suspended);
  return entry;
}

function suspended(reason: string): SluiceError {
  return new SluiceError('key_blocked', `This virtual key is refused now: ${reason}.`);
}

/** Throws `forbidden` for a client whose address no policy of its place allows. */
function checkAddress(policy: EffectivePolicy, client: ClientFacts): void {
  if (policy.cidrs.length === 0 || allowsAddress(policy, client.address)) return;
  throw new SluiceError('forbidden', 'This key may not be used from this address.');
}

/** Throws `forbidden` for an operation the key may not use. */
function checkOperation({ policy }: Principal, operation: string): void {
  if (allowsOperation(policy, operation)) return;
  throw new SluiceError('forbidden', `This key may not use the operation \`${operation}\`.`);
}

function admitToken(
  { key, scopes, policy, place, suspended: reason }: KeyEntry,
  client: ClientFacts,
): Principal {
  if (reason !== undefined) throw suspended(reason);
  checkAddress(policy, client);
  return { key, scopes, policy, place, ownCredential: undefined };
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
    const { key, scopes, policy, place } = findKey(ports, credential);
    checkAddress(policy, client);
    return { key, scopes, policy, place, ownCredential: undefined };
  }
  if (credential?.startsWith(TOKEN_PREFIX) === true) {
    const entry = ports.tokens?.find(credential);
    if (entry !== undefined) return admitToken(entry, client);
  }
  const snapshot = ports.keys();
  const open = (runtime.accessMode ?? (snapshot.size === 0 ? 'open' : 'keys')) === 'open';
  if (open) {
    const { scopes, policy, suspended: reason } = snapshot.keyless;
    if (reason !== undefined) throw suspended(reason);
    checkAddress(policy, client);
    return { key: undefined, scopes, policy, ownCredential: credential };
  }
  if (credential === undefined) {
    throw new SluiceError(
      'missing_key',
      'Send a virtual key as `Authorization: Bearer sk-sluice-…` or `x-api-key`.',
    );
  }
  throw new SluiceError(
    'invalid_key',
    `${NO_KEY}: this is not a virtual key of this gateway; they start with \`sk-sluice-\`.`,
  );
}

/** Virtual key, or in open mode nobody, → principal. */
export function createAuthenticate(
  ports: AuthenticatePorts,
): <E extends Exchange>(received: E) => E & { principal: Principal } {
  return (received) => {
    const principal = admit(ports, received.client, received.runtime);
    const admitted = received as typeof received & { principal: Principal };
    admitted.principal = principal;
    // After the principal is known, so that the log says whose call was refused.
    checkOperation(principal, received.operation);
    return admitted;
  };
}
