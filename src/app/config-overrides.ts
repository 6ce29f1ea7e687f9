import type { Clock } from '../ports/clock.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { SettingStore } from '../ports/store.ts';

/** A state of the admin overrides. */
export interface OverridesVersion {
  /** 0: there never were any. */
  readonly version: number;
  /** A partial configuration as it was sent: secrets in plain text or as `${NAME}`. */
  readonly tree: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970; absent for version 0. */
  readonly at: number | undefined;
  readonly actor: string | undefined;
  readonly comment: string | undefined;
}

interface Ports {
  readonly store: { readonly settings: SettingStore };
  readonly secrets: SecretBox;
  readonly clock: Clock;
}

const CURRENT = 'config/current';
const HISTORY = 'config/history/';
/** States kept. */
const MAX_HISTORY = 200;
/** A change made by another process is taken over within twice this. */
const POLL_MS = 1000;

const NONE: OverridesVersion = { version: 0, tree: {}, at: undefined, actor: undefined, comment: undefined };

function nameOf(version: number): string {
  return HISTORY + String(version).padStart(12, '0');
}

/** What an administrator set over the file, sealed in the store, with its history. */
export class ConfigOverrides {
  readonly #ports: Ports;
  #current: OverridesVersion;
  #cancel: () => void = () => undefined;
  #closed = false;

  private constructor(ports: Ports, current: OverridesVersion) {
    this.#ports = ports;
    this.#current = current;
  }

  /** Reads what is in force. Throws what the store throws. */
  static async open(ports: Ports): Promise<ConfigOverrides> {
    const overrides = new ConfigOverrides(ports, NONE);
    await overrides.#read();
    return overrides;
  }

  get current(): OverridesVersion {
    return this.#current;
  }

  /** The overrides as JSON text; `undefined` when there are none. */
  get text(): string | undefined {
    return textOf(this.#current.tree);
  }

  /** Puts these overrides in force. The history has them first, so that none in force is missing there. */
  async put(next: Pick<OverridesVersion, 'tree' | 'actor' | 'comment'>): Promise<OverridesVersion> {
    const { settings } = this.#ports.store;
    await this.#read();
    const state = { ...next, version: this.#current.version + 1, at: this.#ports.clock.now() };
    await this.#write(nameOf(state.version), state);
    await this.#write(CURRENT, state);
    this.#current = state;
    await settings.delete(nameOf(state.version - MAX_HISTORY));
    return state;
  }

  /** Newest first, before `version`. */
  async history(before: number, limit: number): Promise<readonly OverridesVersion[]> {
    const stored = await this.#ports.store.settings.list(HISTORY);
    const names = stored.map(({ name }) => name).filter((name) => name < nameOf(before));
    const found = await Promise.all(
      names
        .sort()
        .reverse()
        .slice(0, limit)
        .map((name) => this.#open(name)),
    );
    return found.flatMap((state) => (state === undefined ? [] : [state]));
  }

  /** One state of the history; version 0 is the empty one. */
  async at(version: number): Promise<OverridesVersion | undefined> {
    return version === 0 ? NONE : this.#open(nameOf(version));
  }

  /** Calls back when another process changed them. */
  watch(changed: () => void): void {
    const look = async () => {
      const before = this.#current.version;
      // A storage that is down leaves what is in force alone.
      await this.#read().catch(() => undefined);
      if (this.#closed) return;
      if (this.#current.version !== before) changed();
      this.#cancel = this.#ports.clock.after(POLL_MS, () => void look());
    };
    this.#cancel = this.#ports.clock.after(POLL_MS, () => void look());
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  async #read(): Promise<void> {
    const found = await this.#open(CURRENT);
    if (found !== undefined && found.version >= this.#current.version) this.#current = found;
  }

  async #open(name: string): Promise<OverridesVersion | undefined> {
    const { store, secrets } = this.#ports;
    const found = await store.settings.get(name);
    return found === undefined
      ? undefined
      : (JSON.parse(secrets.open(found.value, name)) as OverridesVersion);
  }

  async #write(name: string, state: OverridesVersion): Promise<void> {
    const { store, secrets, clock } = this.#ports;
    const value = secrets.seal(JSON.stringify(state), name);
    await store.settings.put({ name, value, updatedAt: clock.now(), expiresAt: undefined });
  }
}

/** Overrides as text for the loader. */
export function textOf(tree: OverridesVersion['tree']): string | undefined {
  return Object.keys(tree).length === 0 ? undefined : JSON.stringify(tree);
}
