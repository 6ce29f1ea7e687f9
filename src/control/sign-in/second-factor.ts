import { SluiceError } from '../../core/errors/error.ts';
import type { Identity } from '../../core/policy/place.ts';
import type { OneTimeCodes } from '../../ports/sign-in.ts';
import { Turns } from '../turns.ts';
import { AttemptLimiter } from './attempt-limiter.ts';
import type { OneTimePorts } from './one-time.ts';

const RECOVERY_CODES = 10;
/** Without letters and digits that look alike. 32 of them: five bits each. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz023456789';
const ENROLL_MS = 15 * 60_000;
/** A code may be shown for a minute and a half in all; its step is remembered longer. */
const STEP_MS = 10 * 60_000;
const MAX_ATTEMPTS = 5;

export interface SecondFactorPorts extends OneTimePorts {
  readonly codes: OneTimeCodes;
}

/** Time-based codes with recovery codes for a lost phone. Each code works once. */
export class SecondFactor {
  readonly #ports: SecondFactorPorts;
  readonly #attempts: AttemptLimiter;
  readonly #turns: Turns;

  constructor(ports: SecondFactorPorts) {
    this.#ports = ports;
    this.#attempts = new AttemptLimiter(ports, 'second-factor', { limit: MAX_ATTEMPTS, escalates: true });
    this.#turns = new Turns(ports, 'second-factor');
  }

  /** A secret for the app; it counts only once confirmed. */
  async begin(identity: Identity): Promise<{ secret: string; url: string }> {
    const { codes, secrets, store, clock } = this.#ports;
    if (identity.totpSecret !== undefined) {
      throw new SluiceError('conflict', 'You have a second factor already; remove it first.');
    }
    const secret = codes.newSecret();
    const name = `sign-in/enroll/${identity.id}`;
    const now = clock.now();
    const value = secrets.seal(secret, name);
    await store.settings.put({ name, value, updatedAt: now, expiresAt: now + ENROLL_MS });
    return { secret, url: codes.url(secret, identity.subject) };
  }

  /** Turns the second factor on, and gives the recovery codes out once. */
  async confirm(identity: Identity, code: string): Promise<readonly string[]> {
    const { store, secrets, clock, codes } = this.#ports;
    await this.#attempts.begin(identity.id);
    const name = `sign-in/enroll/${identity.id}`;
    const found = await store.settings.get(name);
    if (found === undefined || (found.expiresAt ?? 0) <= clock.now()) {
      throw new SluiceError(
        'conflict',
        'Begin with the second factor first; a beginning holds for 15 minutes.',
      );
    }
    const secret = secrets.open(found.value, name);
    const step = codes.stepOf(secret, code, clock.now());
    if (step === undefined)
      throw new SluiceError('invalid_key', 'This code is wrong; look at the clock of your phone.');
    if (!(await store.settings.delete(name)))
      throw new SluiceError('conflict', 'This was confirmed meanwhile.');
    await this.#noteStep(identity, step);
    await this.#dropRecovery(identity);
    const recovery = await this.#newRecovery(identity);
    const change = { totpSecret: secrets.seal(secret, placeOf(identity)) };
    await store.places.update(
      'identity',
      { organizationId: identity.organizationId },
      { id: identity.id, change },
    );
    await this.#attempts.succeeded(identity.id);
    return recovery;
  }

  /** Whether a code of the app or a recovery code is right and was not used. Throws `rate_limited`. */
  async accept(identity: Identity, code: string): Promise<boolean> {
    await this.#attempts.begin(identity.id);
    return this.#turns.run(identity.id, async () => {
      const plain = code.replaceAll(/[\s-]/g, '').toLowerCase();
      const good = /^\d{6}$/.test(plain)
        ? await this.#isNewCode(identity, plain)
        : await this.#isRecovery(identity, plain);
      if (good) await this.#attempts.succeeded(identity.id);
      return good;
    });
  }

  async #isNewCode(identity: Identity, code: string): Promise<boolean> {
    const { secrets, codes, clock, store } = this.#ports;
    if (identity.totpSecret === undefined) return false;
    const secret = secrets.open(identity.totpSecret, placeOf(identity));
    const step = codes.stepOf(secret, code, clock.now());
    if (step === undefined) return false;
    const used = await store.settings.get(stepName(identity));
    // RFC 6238 §5.2: a code is accepted once, and none from before it.
    if (used !== undefined && Number(used.value) >= step) return false;
    await this.#noteStep(identity, step);
    return true;
  }

  async #noteStep(identity: Identity, step: number): Promise<void> {
    const { store, clock } = this.#ports;
    const now = clock.now();
    await store.settings.put({
      name: stepName(identity),
      value: String(step),
      updatedAt: now,
      expiresAt: now + STEP_MS,
    });
  }

  async #isRecovery(identity: Identity, code: string): Promise<boolean> {
    return this.#ports.store.settings.delete(this.#recoveryName(identity, code));
  }

  async #newRecovery(identity: Identity): Promise<readonly string[]> {
    const { store, clock, random } = this.#ports;
    const made: string[] = [];
    for (let count = 0; count < RECOVERY_CODES; count++) {
      const letters = [...random.bytes(16)].map((byte) => ALPHABET[byte % ALPHABET.length] ?? 'a').join('');
      const name = this.#recoveryName(identity, letters);
      await store.settings.put({ name, value: '1', updatedAt: clock.now(), expiresAt: undefined });
      made.push(letters.match(/.{4}/g)?.join('-') ?? letters);
    }
    return made;
  }

  async recoveryLeft(identity: Identity): Promise<number> {
    return (await this.#ports.store.settings.list(recoveryPrefix(identity))).length;
  }

  async #dropRecovery(identity: Identity): Promise<void> {
    const { settings } = this.#ports.store;
    for (const { name } of await settings.list(recoveryPrefix(identity))) await settings.delete(name);
  }

  /** Takes the second factor away. */
  async remove(identity: Identity): Promise<void> {
    const tenant = { organizationId: identity.organizationId };
    await this.#ports.store.places.update('identity', tenant, {
      id: identity.id,
      change: { totpSecret: undefined },
    });
    await this.#dropRecovery(identity);
    // A pause that somebody else earned him ends with what it protected.
    await this.#attempts.succeeded(identity.id);
  }

  #recoveryName(identity: Identity, code: string): string {
    return `${recoveryPrefix(identity)}${this.#ports.secrets.hashKey(code)}`;
  }
}

function recoveryPrefix({ id }: Identity): string {
  return `sign-in/recovery/${id}/`;
}

function stepName({ id }: Identity): string {
  return `sign-in/totp/${id}`;
}

/** Where the secret lies, which its seal is bound to. */
function placeOf({ id }: Identity): string {
  return `identities/${id}/totp_secret`;
}
