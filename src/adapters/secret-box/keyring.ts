import { randomBytes } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { KeyringStore } from '../../ports/credential-store.ts';
import type { Envelope } from '../../ports/envelope.ts';
import type { SecretBox } from '../../ports/secret-box.ts';
import { type BoxKeys, createSecretBox, keysOfMaster } from './secret-box.ts';

const NAMES = ['pepper', 'sealing', 'signing'] as const;

const placeOf = (name: string) => `keyring/${name}/wrapped/`;

/**
 * The gateway's own secrets, each random and wrapped by the master key, so that another master key changes none of them:
 * hashes of virtual keys, signatures and sealed values stay what they are. A database from before there was a keyring
 * keeps what was derived from its master key.
 * @throws SluiceError `conflict` when the master key is not the one they were wrapped with
 */
export async function openKeyring(ports: {
  readonly store: KeyringStore;
  readonly envelope: Envelope;
  readonly master: Uint8Array;
  /** Whether the database holds anything made without a keyring. */
  readonly inUse: () => Promise<boolean>;
  readonly now: number;
}): Promise<SecretBox> {
  const { store, envelope } = ports;
  let wrapped = await store.all();
  if (NAMES.some((name) => wrapped[name] === undefined)) {
    const fresh = Object.keys(wrapped).length > 0 || !(await ports.inUse());
    const keys = fresh ? randomKeys() : keysOfMaster(ports.master);
    for (const name of NAMES) {
      const text = Buffer.from(keys[name]).toString('base64url');
      await store.insert(name, envelope.seal(text, placeOf(name)), ports.now);
    }
    // Of two processes that start at once, one was first.
    wrapped = await store.all();
  }
  const opened = (name: (typeof NAMES)[number]): Uint8Array => {
    try {
      return Buffer.from(envelope.open(wrapped[name] ?? '', placeOf(name)), 'base64url');
    } catch (cause) {
      throw new SluiceError(
        'conflict',
        'The database was made with another master key. Restore `master.key`, or set SLUICE_MASTER_KEY to that key.',
        { cause },
      );
    }
  };
  return createSecretBox({
    pepper: opened('pepper'),
    sealing: opened('sealing'),
    signing: opened('signing'),
  });
}

function randomKeys(): BoxKeys {
  return { pepper: randomBytes(32), sealing: randomBytes(32), signing: randomBytes(32) };
}

/** Wraps the gateway's own secrets with the current master key. Resolves to how many were wrapped with another. */
export async function rewrapKeyring(store: KeyringStore, envelope: Envelope): Promise<number> {
  let done = 0;
  for (const [name, wrapped] of Object.entries(await store.all())) {
    const again = envelope.rewrap(wrapped, placeOf(name));
    if (again !== undefined && (await store.rewrap(name, wrapped, again))) done += 1;
  }
  return done;
}
