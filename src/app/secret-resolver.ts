import type { ReferenceState } from '../control/credentials.ts';
import { SluiceError } from '../core/errors/error.ts';
import { type CredentialRecord, credentialPlace } from '../ports/credential-store.ts';
import type { Envelope } from '../ports/envelope.ts';
import type { Log } from '../ports/log-sink.ts';
import type { SecretScheme, SecretSource } from '../ports/secret-source.ts';
import type { Store } from '../ports/store.ts';
import type { Config } from './config/index.ts';
import {
  checkReference,
  credentialName,
  isReference,
  literalSecrets,
  parseReference,
  referencesOf,
} from './secret-references.ts';
import { openSecretStores, type StorePorts } from './secret-stores.ts';

export interface ResolverPorts extends StorePorts {
  readonly store: Store;
  readonly envelope: Envelope;
  readonly log: Log;
}

/** How long after a failure a store is asked again, at most. */
const RETRY_MS = 10_000;
/** How often credentials that another process may have changed are looked at. */
const CREDENTIALS_MS = 2000;
/** References read at a time. */
const AT_ONCE = 8;

interface Known {
  readonly value: string | undefined;
  readonly problem: string | undefined;
  readonly readAt: number | undefined;
}

const UNREAD: Known = { value: undefined, problem: undefined, readAt: undefined };

/**
 * The secrets that the configuration only refers to, in memory: read when a configuration comes into force, again at an
 * interval, and kept while their store is down. Requests are served from what is known and never wait for a store.
 */
export class SecretResolver {
  readonly #ports: ResolverPorts;
  #config: Config;
  #stores: Readonly<Partial<Record<SecretScheme, SecretSource>>>;
  #wanted: ReadonlySet<string> = new Set();
  #known: ReadonlyMap<string, Known> = new Map();
  #records: ReadonlyMap<string, CredentialRecord> = new Map();
  #stamp = '';
  #changed: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #cancelRefresh: () => void = () => undefined;
  #cancelPoll: () => void = () => undefined;
  #closed = false;
  readonly #others: string[] = [];
  #hidden: readonly string[] | undefined;

  constructor(config: Config, ports: ResolverPorts) {
    this.#ports = ports;
    this.#config = config;
    this.#stores = openSecretStores(config.secrets, ports);
  }

  /** Called whenever a secret has another value than before. */
  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** Takes over a configuration's references and reads them; those known already keep their values meanwhile. */
  async adopt(config: Config): Promise<void> {
    if (config.secrets !== this.#config.secrets) {
      this.#stores = openSecretStores(config.secrets, this.#ports);
    }
    this.#config = config;
    this.#hidden = undefined;
    this.#wanted = referencesOf(config, this.#ports.environment);
    this.#known = new Map([...this.#known].filter(([reference]) => this.#wanted.has(reference)));
    await this.#read();
    this.#poll();
  }

  /** The secret a text stands for: itself, or what its reference leads to; `undefined` while that is not known. */
  readonly resolve = (text: string): string | undefined =>
    isReference(text) ? this.#known.get(text)?.value : text;

  /** Everything that must not be seen anywhere. */
  secrets(): readonly string[] {
    this.#hidden ??= [
      ...[...this.#known.values()].flatMap(({ value }) => (value === undefined ? [] : [value])),
      ...literalSecrets(this.#config),
      ...this.#others,
    ];
    return this.#hidden;
  }

  /** One more text that must not be seen. */
  hide(secret: string): void {
    this.#others.push(secret);
    this.#hidden = undefined;
  }

  states(): readonly ReferenceState[] {
    return [...this.#wanted].sort().map((reference) => {
      const { value, problem, readAt } = this.#known.get(reference) ?? UNREAD;
      const state = value === undefined ? 'failed' : problem === undefined ? 'ok' : 'stale';
      return { reference, state, problem, readAt };
    });
  }

  names(name: string): boolean {
    return this.#wanted.has(`credential:${name}`);
  }

  check(reference: string): void {
    checkReference(reference);
  }

  /** Reads everything again now. */
  async refresh(): Promise<void> {
    await this.#running;
    await this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#cancelRefresh();
    this.#cancelPoll();
  }

  #read(): Promise<void> {
    this.#running ??= this.#readAll().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #readAll(): Promise<void> {
    this.#cancelRefresh();
    const wanted = [...this.#wanted];
    if (wanted.some((text) => credentialName(text) !== undefined)) await this.#loadRecords();
    const found = new Map<string, Known>();
    for (let from = 0; from < wanted.length; from += AT_ONCE) {
      await Promise.all(
        wanted.slice(from, from + AT_ONCE).map(async (reference) => {
          found.set(reference, await this.#readOne(reference));
        }),
      );
    }
    const news = wanted.some((one) => found.get(one)?.value !== this.#known.get(one)?.value);
    this.#known = found;
    this.#hidden = undefined;
    if (news) this.#changed();
    this.#schedule([...found.values()].some(({ problem }) => problem !== undefined));
  }

  #schedule(failing: boolean): void {
    if (this.#closed || this.#wanted.size === 0) return;
    const interval = this.#config.secrets.refresh_interval_s * 1000;
    const wait = failing ? Math.min(interval, RETRY_MS) : interval;
    this.#cancelRefresh = this.#ports.clock.after(wait, () => void this.#read());
  }

  async #readOne(reference: string): Promise<Known> {
    const before = this.#known.get(reference) ?? UNREAD;
    const { clock, log } = this.#ports;
    try {
      const value = await this.#fetch(reference);
      if (before.problem !== undefined) log.info('secrets.readable_again', { reference });
      return { value, problem: undefined, readAt: clock.now() };
    } catch (error) {
      const problem = error instanceof SluiceError ? error.message : 'It could not be read.';
      // One line for a row of failures.
      if (before.problem === undefined) {
        log.warn('secrets.unreadable', { reference, problem, kept: before.value !== undefined });
      }
      return { ...before, problem };
    }
  }

  async #fetch(text: string): Promise<string> {
    const name = credentialName(text);
    if (name !== undefined) return this.#credential(name);
    const reference = parseReference(text);
    const source = reference && this.#stores[reference.scheme];
    if (reference === undefined || source === undefined) {
      throw new SluiceError('bad_request', 'Its store is not configured under `secrets`.');
    }
    return source.read(reference, AbortSignal.timeout(this.#config.secrets.timeout_ms));
  }

  async #credential(name: string): Promise<string> {
    const record = this.#records.get(name);
    if (record === undefined) throw new SluiceError('not_found', 'There is no credential with this name.');
    if (record.reference !== undefined) return this.#fetch(record.reference);
    return this.#ports.envelope.open(record.sealed ?? '', credentialPlace(record));
  }

  async #loadRecords(): Promise<void> {
    const records = await this.#ports.store.credentials.all();
    this.#stamp = stampOf(records);
    this.#records = new Map(records.map((record) => [record.name, record]));
  }

  /** Credentials are changed by any process that shares the database. */
  #poll(): void {
    this.#cancelPoll();
    if (this.#closed || ![...this.#wanted].some((text) => credentialName(text) !== undefined)) return;
    this.#cancelPoll = this.#ports.clock.after(CREDENTIALS_MS, async () => {
      try {
        const stamp = stampOf(await this.#ports.store.credentials.all());
        if (stamp !== this.#stamp) await this.refresh();
      } catch {
        // The storage says itself what ails it.
      }
      this.#poll();
    });
  }
}

function stampOf(records: readonly CredentialRecord[]): string {
  return records.map(({ id, updatedAt, name }) => `${id} ${updatedAt} ${name}`).join('\n');
}
