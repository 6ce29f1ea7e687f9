import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { SecretBox } from '../../ports/secret-box.ts';
import type { Store } from '../../ports/store.ts';

export interface OneTimePorts {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly random: Random;
}

/** A secret that is not kept, only its keyed hash. */
export interface OneTimeToken {
  readonly token: string;
  readonly expiresAt: number;
}

/** Values that are found once, by a secret, within a time. They outlive the process and hold in every process. */
export class OneTime<Value> {
  readonly #ports: OneTimePorts;
  readonly #kind: string;
  readonly #lifeMs: number;

  constructor(ports: OneTimePorts, kind: string, lifeMs: number) {
    this.#ports = ports;
    this.#kind = kind;
    this.#lifeMs = lifeMs;
  }

  #name(token: string): string {
    return `sign-in/${this.#kind}/${this.#ports.secrets.hashKey(token)}`;
  }

  async put(value: Value): Promise<OneTimeToken> {
    const token = this.newToken();
    return { token, expiresAt: await this.keep(token, value) };
  }

  /** For a value that is known only after its token. */
  newToken(): string {
    return Buffer.from(this.#ports.random.bytes(32)).toString('base64url');
  }

  /** Resolves to when it ends. */
  async keep(token: string, value: Value): Promise<number> {
    const { store, clock, secrets } = this.#ports;
    const name = this.#name(token);
    const now = clock.now();
    const expiresAt = now + this.#lifeMs;
    const sealed = secrets.seal(JSON.stringify(value), name);
    await store.settings.put({ name, value: sealed, updatedAt: now, expiresAt });
    return expiresAt;
  }

  /** Looks without taking. */
  async peek(token: string): Promise<Value | undefined> {
    const { store, clock, secrets } = this.#ports;
    const name = this.#name(token);
    const found = await store.settings.get(name);
    if (found === undefined || (found.expiresAt ?? 0) <= clock.now()) return undefined;
    return JSON.parse(secrets.open(found.value, name)) as Value;
  }

  /** Of any number of callers exactly one gets it. */
  async take(token: string): Promise<Value | undefined> {
    const value = await this.peek(token);
    if (value === undefined) return undefined;
    return (await this.#ports.store.settings.delete(this.#name(token))) ? value : undefined;
  }
}
