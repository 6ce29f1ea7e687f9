import type { AuditRecord, HeadKeeper } from '../ports/audit-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { SettingStore } from '../ports/store.ts';

/** The newest entry of the chain, as it is kept elsewhere. */
export interface Head {
  readonly sequence: number;
  readonly hash: string;
}

/** What the keepers hold, and whether any of it is forged. */
export interface KeptHeads {
  readonly heads: readonly Head[];
  readonly forged: boolean;
}

const SETTING = 'audit/head';

/** Keeps the head among the settings. */
export function settingKeeper(settings: SettingStore, clock: Clock): HeadKeeper {
  return {
    async read() {
      return (await settings.get(SETTING))?.value;
    },
    write: (value) => settings.put({ name: SETTING, value, updatedAt: clock.now(), expiresAt: undefined }),
  };
}

/** Writes the chain's head to its keepers, signed, one write at a time. */
export class HeadBook {
  readonly #keepers: readonly HeadKeeper[];
  readonly #secrets: SecretBox;
  #wanted: Head | undefined;
  #running: Promise<void> | undefined;

  constructor(keepers: readonly HeadKeeper[], secrets: SecretBox) {
    this.#keepers = keepers;
    this.#secrets = secrets;
  }

  #sign({ sequence, hash }: Head): string {
    return this.#secrets.sign(JSON.stringify([sequence, hash]), 'audit-head');
  }

  /** Resolves when this head or a later one is kept, or could not be; what was kept before is behind it, not wrong. */
  keep({ sequence, hash }: AuditRecord): Promise<void> {
    this.#wanted = { sequence, hash };
    this.#running ??= this.#write().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #write(): Promise<void> {
    while (this.#wanted !== undefined) {
      const head = this.#wanted;
      this.#wanted = undefined;
      const text = JSON.stringify({ ...head, signature: this.#sign(head) });
      await Promise.allSettled(this.#keepers.map((keeper) => keeper.write(text)));
    }
  }

  /** Throws when a keeper cannot be read. */
  async read(): Promise<KeptHeads> {
    const texts = await Promise.all(this.#keepers.map((keeper) => keeper.read()));
    const found = texts.flatMap((text) => (text === undefined ? [] : [this.#parse(text)]));
    const heads = found.flatMap((head) => (head === undefined ? [] : [head]));
    return { heads, forged: heads.length < found.length };
  }

  #parse(text: string): Head | undefined {
    try {
      const { sequence, hash, signature } = JSON.parse(text) as Head & { readonly signature: string };
      const head = { sequence, hash };
      return signature === this.#sign(head) ? head : undefined;
    } catch {
      return undefined;
    }
  }
}
