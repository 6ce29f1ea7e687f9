import type { KeyDirectory } from '../control/key-directory.ts';
import type { RefusalNotes } from '../control/refusal-notes.ts';
import type { TokenDesk } from '../control/sign-in/token-desk.ts';
import { SluiceError } from '../core/errors/error.ts';
import { FailureLimiter, peerOf } from '../core/policy/failures.ts';
import type { AuthenticatePorts } from '../pipeline/stages/authenticate.ts';
import type { AttemptStore } from '../ports/attempt-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Config } from './config/index.ts';

/** Wrong keys by address. Both throw `rate_limited` for one that sent more than the configuration allows in a minute. */
export interface GuessCounter {
  /** Counts nothing. */
  check(address: string): void;
  note(address: string): void;
}

/** Where guesses are counted for all processes together. */
export interface SharedGuesses {
  readonly store: { readonly attempts: AttemptStore };
  readonly secrets: Pick<SecretBox, 'hashKey'>;
}

/**
 * A counter with the limit `access.max_auth_failures_per_minute` as it is at the time. Where it is `shared`, a process
 * learns from its next wrong key of an address how many others got; nobody waits for that.
 */
export function createGuessCounter(clock: Clock, config: () => Config, shared?: SharedGuesses): GuessCounter {
  const failures = new FailureLimiter();
  const limit = () => config().access.max_auth_failures_per_minute;
  const refuse = (waitMs: number) => {
    if (waitMs <= 0) return;
    throw new SluiceError('rate_limited', 'Too many wrong keys came from this address; wait a minute.', {
      retryAfterS: waitMs / 1000,
    });
  };
  const tell = (address: string): void => {
    if (shared === undefined) return;
    const name = `guess/${shared.secrets.hashKey(peerOf(address))}`;
    const rule = { limit: limit(), escalates: false };
    shared.store.attempts.begin(name, rule, clock.monotonic()).then(
      (waitMs) => {
        if (waitMs > 0) failures.block(address, waitMs, clock.monotonic());
      },
      // A storage that is down keeps nobody out; each process counts for itself.
      () => undefined,
    );
  };
  return {
    check: (address) => refuse(failures.waitOf(address, limit(), clock.monotonic())),
    note(address) {
      const waitMs = failures.note(address, limit(), clock.monotonic());
      // Who is refused here is counted no further.
      if (waitMs <= 0) tell(address);
      refuse(waitMs);
    },
  };
}

/** What checking a virtual key takes. */
export function keyPorts(
  adapters: {
    readonly secrets: SecretBox;
    readonly clock: Clock;
    readonly auditing: { readonly refusals: RefusalNotes };
  },
  from: { readonly directory: KeyDirectory; readonly tokens: TokenDesk },
  config: () => Config,
): AuthenticatePorts {
  const { directory, tokens } = from;
  const { secrets, clock } = adapters;
  const { note } = createGuessCounter(clock, config);
  const { refusals } = adapters.auditing;
  const wrongKey = (address: string): void => {
    const details = { error: 'invalid_key' };
    refusals.note({ action: 'access.wrong_key', target: '', caller: { actor: 'nobody', address }, details });
    note(address);
  };
  return { keys: () => directory.snapshot(), secrets, clock, wrongKey, tokens };
}
