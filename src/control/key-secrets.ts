import { KEY_RANDOM_BYTES, makeKey } from '../core/policy/key.ts';
import type { KeyRotation, VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import type { AuditLog } from './audit.ts';
import { operator } from './caller.ts';
import type { KeyDirectory } from './key-directory.ts';

export interface SecretPorts {
  readonly secrets: SecretBox;
  readonly random: Random;
}

/** A fresh secret with what is kept of it. */
export function newSecret({ secrets, random }: SecretPorts): { secret: string; hash: string; hint: string } {
  const secret = makeKey(random.bytes(KEY_RANDOM_BYTES));
  return { secret, hash: secrets.hashKey(secret), hint: secret.slice(-4) };
}

/** Where an unclaimed secret lies, which its seal is bound to. */
function placeOf(keyId: string): string {
  return `virtual_keys/${keyId}/unclaimed`;
}

/** Opens the secret that waits for the key's owner. */
export function openUnclaimed(secrets: SecretBox, key: VirtualKey): string | undefined {
  const sealed = key.rotation?.unclaimed;
  return sealed === undefined ? undefined : secrets.open(sealed, placeOf(key.id));
}

/** A day, or half the time between two secrets where that is less. */
export function defaultOverlapS(everyS: number): number {
  return Math.min(86_400, Math.floor(everyS / 2));
}

const CHECK_MS = 1000;

export interface RotationPorts extends SecretPorts {
  readonly store: Store;
  readonly directory: KeyDirectory;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Gives keys with a schedule their new secrets. The old one works on for the overlap; the new one lies sealed until the
 * owner claims it. Of several processes one wins, because the change is made to the secret it was decided on.
 */
export class KeyRotator {
  readonly #ports: RotationPorts;
  #cancel: () => void = () => undefined;
  #closed = false;

  constructor(ports: RotationPorts) {
    this.#ports = ports;
  }

  start(): void {
    if (!this.#closed) this.#cancel = this.#ports.clock.after(CHECK_MS, () => void this.#run());
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  /** Rotates what is due. Resolves to how many keys were given a new secret. */
  async rotateDue(): Promise<number> {
    const { directory, clock, log } = this.#ports;
    const now = clock.now();
    const due = [...directory.keys()].filter(
      ({ rotation }) => rotation !== undefined && rotation.nextAt <= now,
    );
    let done = 0;
    for (const key of due) {
      try {
        await this.#rotate(key, now);
        done += 1;
      } catch (error) {
        log.warn('keys.rotation_failed', { key: key.id, error: String(error) });
      }
    }
    return done;
  }

  async #rotate(key: VirtualKey, now: number): Promise<void> {
    const { store, directory, audit, secrets, log } = this.#ports;
    const { rotation } = key;
    if (rotation === undefined) return;
    const { secret, hash, hint } = newSecret(this.#ports);
    await audit.append(operator('system', ''), {
      action: 'keys.rotate_scheduled',
      target: key.id,
      organization: key.organizationId,
      details: { old_secret_until_s: rotation.overlapS },
    });
    const change = {
      hash,
      hint,
      previousHash: rotation.overlapS > 0 ? key.hash : undefined,
      previousHashExpiresAt: rotation.overlapS > 0 ? now + rotation.overlapS * 1000 : undefined,
      rotation: {
        ...rotation,
        nextAt: nextAfter(rotation, now),
        unclaimed: secrets.seal(secret, placeOf(key.id)),
      },
    };
    await directory.put(await store.keys.update(key.id, change, { hash: key.hash }));
    log.info('keys.rotated', { key: key.id });
  }

  async #run(): Promise<void> {
    await this.rotateDue();
    this.start();
  }
}

/** The next time on the schedule; what was missed while nobody ran is not made up for. */
function nextAfter({ everyS, nextAt }: KeyRotation, now: number): number {
  const every = everyS * 1000;
  return nextAt + every * (Math.floor(Math.max(0, now - nextAt) / every) + 1);
}
