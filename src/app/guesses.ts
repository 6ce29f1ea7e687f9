import type { KeyDirectory } from '../control/key-directory.ts';
import type { RefusalNotes } from '../control/refusal-notes.ts';
import type { TokenDesk } from '../control/sign-in/token-desk.ts';
import { SluiceError } from '../core/errors/error.ts';
import { FailureLimiter } from '../core/policy/failures.ts';
import type { AuthenticatePorts } from '../pipeline/stages/authenticate.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Config } from './config/index.ts';

/** Wrong keys by address. Both throw `rate_limited` for one that sent more than the configuration allows in a minute. */
export interface GuessCounter {
  /** Counts nothing. */
  check(address: string): void;
  note(address: string): void;
}

/** A counter with the limit `access.max_auth_failures_per_minute` as it is at the time. */
export function createGuessCounter(clock: Clock, config: () => Config): GuessCounter {
  const failures = new FailureLimiter();
  const limit = () => config().access.max_auth_failures_per_minute;
  const refuse = (waitMs: number) => {
    if (waitMs <= 0) return;
    throw new SluiceError('rate_limited', 'Too many wrong keys came from this address; wait a minute.', {
      retryAfterS: waitMs / 1000,
    });
  };
  return {
    check: (address) => refuse(failures.waitOf(address, limit(), clock.monotonic())),
    note: (address) => refuse(failures.note(address, limit(), clock.monotonic())),
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
