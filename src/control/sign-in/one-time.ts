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
  /** Names it without being it. */
  readonly id: string;
  readonly token: string;
  readonly expiresAt: number;
}

/** A value that waits to be found. */
export interface Waiting<Value> {
  readonly id: string;
  readonly value: Value;
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Of the hash of a token: enough to tell one from the other. */
const ID_LENGTH = 24;

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

  #idOf(name: string): string {
    return `${this.#kind}_${name.slice(name.lastIndexOf('/') + 1).slice(0, ID_LENGTH)}`;
  }

  async put(value: Value): Promise<OneTimeToken> {
    const token = this.newToken();
    const id = this.#idOf(this.#name(token));
    return { id, token, expiresAt: await this.keep(token, value) };
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

  /** Those that nobody has taken and that have not expired, newest first. */
  async waiting(): Promise<readonly Waiting<Value>[]> {
    const { store, clock, secrets } = this.#ports;
    const now = clock.now();
    const kept = await store.settings.list(`sign-in/${this.#kind}/`);
    return kept
      .flatMap(({ name, value, updatedAt, expiresAt = 0 }) =>
        expiresAt <= now
          ? []
          : [
              {
                id: this.#idOf(name),
                value: JSON.parse(secrets.open(value, name)) as Value,
                createdAt: updatedAt,
                expiresAt,
              },
            ],
      )
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** Takes one away by its id. False when there is none. */
  async drop(id: string): Promise<boolean> {
    const { store } = this.#ports;
    const kept = await store.settings.list(`sign-in/${this.#kind}/`);
    const found = kept.find(({ name }) => this.#idOf(name) === id);
    return found !== undefined && (await store.settings.delete(found.name));
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
