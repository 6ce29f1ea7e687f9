import { createEnvelope } from '../adapters/secret-box/envelope.ts';
import { openKeyring, rewrapKeyring } from '../adapters/secret-box/keyring.ts';
import { openMasterKeys } from '../adapters/secret-box/master-keys.ts';
import { MasterKeyRotation } from '../control/master-key-rotation.ts';
import type { Clock } from '../ports/clock.ts';
import type { Envelope } from '../ports/envelope.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';

/** What the master key protects. */
export interface Vault {
  readonly secrets: SecretBox;
  readonly envelope: Envelope;
  readonly rotation: MasterKeyRotation;
}

/** Whether the database was in use before it had a keyring. */
async function inUse(store: Store): Promise<boolean> {
  if ((await store.audit.head()) !== undefined) return true;
  return (await store.keys.active({ limit: 1 })).length > 0 || (await store.settings.list('')).length > 0;
}

/** Opens the master key and, with it, the gateway's own secrets. Throws `conflict` for a key that is not the database's. */
export async function openVault(
  dataDir: string,
  environment: Readonly<Record<string, string | undefined>>,
  ports: { readonly store: Store; readonly clock: Clock },
): Promise<Vault> {
  const { store, clock } = ports;
  const masters = openMasterKeys(dataDir, environment);
  const envelope = createEnvelope(masters);
  const secrets = await openKeyring({
    store: store.keyring,
    envelope,
    master: masters.current().bytes,
    inUse: () => inUse(store),
    now: clock.now(),
  });
  const rewrap = () => rewrapKeyring(store.keyring, envelope);
  return {
    secrets,
    envelope,
    rotation: new MasterKeyRotation({ store, envelope, masters, rewrapKeyring: rewrap }),
  };
}
