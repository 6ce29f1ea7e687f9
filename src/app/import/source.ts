import { isMap } from '../config/paths.ts';

/** What became of one key of a foreign configuration. */
export interface ImportNote {
  /** Where it stands in the foreign file. */
  readonly path: string;
  readonly outcome: 'mapped' | 'approximated' | 'unmapped';
  /** Where it went in ours; absent for what was left out. */
  readonly to?: string;
  /** Why it was left out, or what is different now. */
  readonly why?: string;
}

/** A foreign file that cannot be read at all. The sentence says what to do and quotes no value. */
export class ImportFault extends Error {
  override readonly name = 'ImportFault';
}

/** Notes kept of one file, so that a hostile one cannot fill the memory. */
const MAX_NOTES = 20_000;

/** Collects what maps, what does not and why. */
export class Ledger {
  readonly #notes: ImportNote[] = [];

  get notes(): readonly ImportNote[] {
    return this.#notes;
  }

  mapped(path: string, to: string): void {
    this.#add({ path, outcome: 'mapped', to });
  }

  approximated(path: string, to: string, why: string): void {
    this.#add({ path, outcome: 'approximated', to, why });
  }

  unmapped(path: string, why: string): void {
    this.#add({ path, outcome: 'unmapped', why });
  }

  #add(note: ImportNote): void {
    if (this.#notes.length >= MAX_NOTES)
      throw new ImportFault(`The file has more than ${MAX_NOTES} settings.`);
    this.#notes.push(note);
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return isMap(value) ? 'a map' : `a ${typeof value}`;
}

/** Joins a path; names with other characters than usual are quoted. */
export function join(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  const name = /^[A-Za-z0-9_.@/:+-]{1,200}$/.test(key) ? key : JSON.stringify(key.slice(0, 200));
  return path === '' ? name : `${path}.${name}`;
}

/**
 * One map of a foreign file, read key by key. What is never asked for is told by {@link Part.rest}, so that nothing is
 * dropped silently. A value of a wrong type is noted and read as absent.
 */
export class Part {
  readonly path: string;
  readonly #tree: Readonly<Record<string, unknown>>;
  readonly #ledger: Ledger;
  readonly #left: Set<string>;

  constructor(tree: Readonly<Record<string, unknown>>, path: string, ledger: Ledger) {
    this.#tree = tree;
    this.path = path;
    this.#ledger = ledger;
    this.#left = new Set(Object.keys(tree));
  }

  /** Throws {@link ImportFault} when the value is no map. */
  static root(value: unknown, ledger: Ledger, what: string): Part {
    if (isMap(value)) return new Part(value, '', ledger);
    throw new ImportFault(`This is no ${what}: it holds ${kindOf(value)} instead of named settings.`);
  }

  get keys(): readonly string[] {
    return Object.keys(this.#tree);
  }

  at(key: string | number): string {
    return join(this.path, key);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#tree, key) && this.#tree[key] !== null && this.#tree[key] !== undefined;
  }

  /** The value as it is, now accounted for. */
  take(key: string): unknown {
    this.#left.delete(key);
    return Object.hasOwn(this.#tree, key) ? this.#tree[key] : undefined;
  }

  text(key: string): string | undefined {
    const value = this.#tree[key];
    return this.#typed(key, typeof value === 'string' && value !== '' ? value : undefined, 'text');
  }

  /** A finite number, also written as text. */
  number(key: string): number | undefined {
    const value = this.#tree[key];
    const read = typeof value === 'string' && /^-?\d+(\.\d+)?(e-?\d+)?$/i.test(value) ? Number(value) : value;
    return this.#typed(key, typeof read === 'number' && Number.isFinite(read) ? read : undefined, 'a number');
  }

  flag(key: string): boolean | undefined {
    const value = this.#tree[key];
    return this.#typed(key, typeof value === 'boolean' ? value : undefined, 'true or false');
  }

  part(key: string): Part | undefined {
    const value = this.#typed(key, isMap(this.#tree[key]) ? this.#tree[key] : undefined, 'named settings');
    return value === undefined
      ? undefined
      : new Part(value as Record<string, unknown>, this.at(key), this.#ledger);
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.#tree[key];
    return this.#typed(key, Array.isArray(value) ? (value as readonly unknown[]) : undefined, 'a list');
  }

  /** Texts of a list; others are noted. */
  texts(key: string): readonly string[] | undefined {
    return this.list(key)?.flatMap((item, index) => {
      if (typeof item === 'string' && item !== '') return [item];
      this.#ledger.unmapped(`${this.at(key)}[${index}]`, `is ${kindOf(item)}; text belongs here.`);
      return [];
    });
  }

  /** Maps of a list; others are noted. */
  parts(key: string): readonly Part[] | undefined {
    return this.list(key)?.flatMap((item, index) => {
      const path = `${this.at(key)}[${index}]`;
      if (isMap(item)) return [new Part(item, path, this.#ledger)];
      this.#ledger.unmapped(path, `is ${kindOf(item)}; named settings belong here.`);
      return [];
    });
  }

  /** Notes every key that nobody asked for. `reasons` says why known ones are left out. */
  rest(reasons: Readonly<Record<string, string>> = {}): void {
    for (const key of this.#left) {
      const why = Object.hasOwn(reasons, key) ? reasons[key] : undefined;
      this.#ledger.unmapped(this.at(key), why ?? 'is not known to this importer.');
    }
    this.#left.clear();
  }

  #typed<T>(key: string, value: T | undefined, wanted: string): T | undefined {
    const had = this.#left.delete(key);
    if (value === undefined && had && this.has(key) && this.#tree[key] !== '') {
      this.#ledger.unmapped(this.at(key), `is ${kindOf(this.#tree[key])}; ${wanted} belongs here.`);
    }
    return value;
  }
}
