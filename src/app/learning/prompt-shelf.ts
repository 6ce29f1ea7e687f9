import { WEEK_MS } from '../../core/durations.ts';
import type { RouteLabel } from '../../core/routing/promise/label.ts';

/** A compared pair with the beginning of its prompt. */
export interface Shelved {
  readonly prompt: string;
  readonly label: RouteLabel;
}

interface Entry extends Shelved {
  readonly route: string;
  readonly bytes: number;
}

/** How much is kept. */
export interface ShelfLimits {
  /** Prompts of one route. */
  readonly perRoute: number;
  /** Bytes of all. */
  readonly bytes: number;
  /** Milliseconds since the pair was compared. */
  readonly ageMs: number;
}

const LIMITS: ShelfLimits = { perRoute: 1000, bytes: 32 * 1_048_576, ageMs: WEEK_MS };
/** What an entry takes besides its text. */
const OVERHEAD_BYTES = 1024;

/**
 * Prompts that routes learn from, in memory only: bounded by number, size and age over all routes of the process, the
 * oldest go first.
 */
export class PromptShelf {
  readonly #limits: ShelfLimits;
  /** In the order they came. */
  readonly #entries = new Map<string, Entry>();
  readonly #routes = new Map<string, Set<string>>();
  #bytes = 0;

  constructor(limits: Partial<ShelfLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(route: string, { prompt, label }: Shelved): void {
    const id = label.exchangeId;
    this.#remove(id);
    const bytes = prompt.length * 2 + OVERHEAD_BYTES;
    this.#entries.set(id, { route, prompt, label, bytes });
    this.#bytes += bytes;
    let own = this.#routes.get(route);
    if (own === undefined) {
      own = new Set();
      this.#routes.set(route, own);
    }
    own.add(id);
    if (own.size > this.#limits.perRoute) this.#remove(own.values().next().value);
    while (this.#bytes > this.#limits.bytes) this.#remove(this.#entries.keys().next().value);
  }

  of(route: string): readonly Shelved[] {
    return [...(this.#routes.get(route) ?? [])].flatMap((id) => this.#entries.get(id) ?? []);
  }

  /** Forgets a route's prompts. */
  drop(route: string): void {
    for (const id of this.#routes.get(route) ?? []) this.#remove(id);
  }

  /** Forgets what is too old. Milliseconds since 1970. */
  sweep(now: number): void {
    for (const [id, { label }] of this.#entries) if (label.at < now - this.#limits.ageMs) this.#remove(id);
  }

  #remove(id: string | undefined): void {
    const entry = id === undefined ? undefined : this.#entries.get(id);
    if (id === undefined || entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= entry.bytes;
    const own = this.#routes.get(entry.route);
    own?.delete(id);
    if (own?.size === 0) this.#routes.delete(entry.route);
  }
}
