import { SluiceError } from '../core/errors/error.ts';
import { credentialPlace } from '../ports/credential-store.ts';
import type { Envelope, MasterKeyControl, MasterKeyState } from '../ports/envelope.ts';
import type { Store } from '../ports/store.ts';

/** Secrets wrapped anew before others get their turn. */
const BATCH = 50;
/** Rounds over the table: a credential changed meanwhile may have been sealed with the old key. */
const MAX_ROUNDS = 5;

export interface MasterKeyRotationPorts {
  readonly store: Store;
  readonly envelope: Envelope;
  readonly masters: MasterKeyControl;
  /** Wraps the gateway's own secrets anew; resolves to how many there were to wrap. */
  readonly rewrapKeyring: () => Promise<number>;
}

/**
 * Replaces the master key while everything runs. Only the wrapping of data keys changes, so nothing that is in use stops
 * working; the old key stays valid until nothing is wrapped with it, and a rotation that was broken off is finished by
 * the next one.
 */
export class MasterKeyRotation {
  readonly #ports: MasterKeyRotationPorts;
  #running = false;

  constructor(ports: MasterKeyRotationPorts) {
    this.#ports = ports;
  }

  state(): MasterKeyState {
    return this.#ports.masters.state();
  }

  /** Resolves to how many secrets were wrapped anew. Throws `conflict` while another rotation runs. */
  async rotate(): Promise<number> {
    if (this.#running) throw new SluiceError('conflict', 'The master key is being rotated already.');
    this.#running = true;
    try {
      const { masters } = this.#ports;
      // A second key is there already: the operator put it in, or an earlier rotation did not come to its end.
      if (masters.state().previous === 0) masters.renew();
      const done = await this.#rewrapAll();
      masters.retire();
      return done;
    } finally {
      this.#running = false;
    }
  }

  async #rewrapAll(): Promise<number> {
    let done = await this.#ports.rewrapKeyring();
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const again = await this.#rewrapCredentials();
      done += again;
      if (again === 0) return done;
    }
    throw new SluiceError('conflict', 'Credentials keep changing; both keys stay valid. Rotate again later.');
  }

  async #rewrapCredentials(): Promise<number> {
    const { store, envelope } = this.#ports;
    let done = 0;
    for (const [index, record] of (await store.credentials.all()).entries()) {
      if (index % BATCH === BATCH - 1) await new Promise((resolve) => setImmediate(resolve));
      if (record.sealed === undefined) continue;
      const again = envelope.rewrap(record.sealed, credentialPlace(record));
      if (again === undefined) continue;
      await store.credentials.rewrap(record.id, record.sealed, again);
      done += 1;
    }
    return done;
  }
}
