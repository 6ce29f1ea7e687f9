import { SluiceError } from '../../core/errors/error.ts';
import type { AttemptRule } from '../../core/policy/attempts.ts';
import type { AttemptStore } from '../../ports/attempt-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SecretBox } from '../../ports/secret-box.ts';

export interface AttemptPorts {
  readonly store: { readonly attempts: AttemptStore };
  readonly secrets: Pick<SecretBox, 'hashKey'>;
  readonly clock: Clock;
}

/**
 * Attempts per name and minute, counted before they are carried out and for all processes together: two hundred at once are
 * two hundred, not one. A success forgets them. `escalates`: each time there were too many, the pause is twice as long, up
 * to an hour, so that what is short enough to be guessed in weeks is not; for names that only somebody who knows a password
 * can speak of.
 */
export class AttemptLimiter {
  readonly #ports: AttemptPorts;
  readonly #kind: string;
  readonly #rule: AttemptRule;

  constructor(ports: AttemptPorts, kind: string, rule: AttemptRule) {
    this.#ports = ports;
    this.#kind = kind;
    this.#rule = rule;
  }

  /** Throws `rate_limited`. */
  async begin(name: string): Promise<void> {
    const { store, clock } = this.#ports;
    const waitMs = await store.attempts.begin(this.#nameOf(name), this.#rule, clock.monotonic());
    if (waitMs <= 0) return;
    const wait = waitMs <= 60_000 ? 'wait a minute' : `wait ${Math.ceil(waitMs / 60_000)} minutes`;
    throw new SluiceError('rate_limited', `Too many attempts; ${wait}.`, { retryAfterS: waitMs / 1000 });
  }

  async succeeded(name: string): Promise<void> {
    await this.#ports.store.attempts.forget(this.#nameOf(name));
  }

  /** What strangers type into a form is not kept as they typed it. */
  #nameOf(name: string): string {
    return `${this.#kind}/${this.#ports.secrets.hashKey(name)}`;
  }
}
