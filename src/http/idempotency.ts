import { SluiceError } from '../core/errors/error.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';

/** What an answer is remembered with. */
export interface IdempotencyPorts {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly clock: Clock;
}

/** A request that may be sent twice. */
export interface Repeatable {
  /** Who sends it: keys of different callers never meet. */
  readonly actor: string;
  /** The header `Idempotency-Key`. */
  readonly key: string;
  /** The endpoint and its input; the same key with another one is a mistake. */
  readonly request: string;
}

interface Remembered {
  readonly request: string;
  readonly answer: unknown;
}

const KEPT_MS = 24 * 3_600_000;
const MAX_KEY = 255;

/**
 * Answers a repeated write with what the first one answered, for a day. Answers are kept sealed, because some hold a
 * secret that is shown once.
 */
export class Idempotency {
  readonly #ports: IdempotencyPorts;
  /** Requests that are being carried out. */
  readonly #running = new Set<string>();

  constructor(ports: IdempotencyPorts) {
    this.#ports = ports;
  }

  /** Carries the work out once. Throws `conflict` for another request with this key, or while the first one runs. */
  async once(
    repeatable: Repeatable,
    work: () => Promise<unknown>,
  ): Promise<{ answer: unknown; repeated: boolean }> {
    const { key, actor, request } = repeatable;
    if (key.length === 0 || key.length > MAX_KEY) {
      throw new SluiceError('bad_request', `\`Idempotency-Key\` takes 1 to ${MAX_KEY} characters.`, {
        param: 'Idempotency-Key',
      });
    }
    const { secrets } = this.#ports;
    const name = `idempotency/${secrets.sign(JSON.stringify([actor, key]), 'idempotency')}`;
    const signed = secrets.sign(request, 'idempotency');
    if (this.#running.has(name))
      throw conflict('The first request with this `Idempotency-Key` is still running.');
    this.#running.add(name);
    try {
      const known = await this.#find(name);
      if (known !== undefined && known.request !== signed) {
        throw conflict('This `Idempotency-Key` was used for another request; use a new one.');
      }
      if (known !== undefined) return { answer: known.answer, repeated: true };
      const answer = await work();
      await this.#keep(name, { request: signed, answer });
      return { answer, repeated: false };
    } finally {
      this.#running.delete(name);
    }
  }

  async #find(name: string): Promise<Remembered | undefined> {
    const { store, secrets, clock } = this.#ports;
    const found = await store.settings.get(name);
    if (found === undefined || (found.expiresAt ?? 0) <= clock.now()) return undefined;
    return JSON.parse(secrets.open(found.value, name)) as Remembered;
  }

  async #keep(name: string, remembered: Remembered): Promise<void> {
    const { store, secrets, clock } = this.#ports;
    const now = clock.now();
    await store.settings.put({
      name,
      value: secrets.seal(JSON.stringify(remembered), name),
      updatedAt: now,
      expiresAt: now + KEPT_MS,
    });
  }
}

function conflict(sentence: string): SluiceError {
  return new SluiceError('conflict', sentence, { param: 'Idempotency-Key' });
}
