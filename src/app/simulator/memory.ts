import type { Usage } from '../../core/model/index.ts';
import { createDice, type Options } from '../../providers/simulator/index.ts';

/** One request as the simulator saw it. */
export interface ReceivedCall {
  readonly id: string;
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly model: string;
  readonly format: string;
  readonly stream: boolean;
  readonly request_bytes: number;
  readonly fault: string | null;
  /** Serial number of the TCP connection it came on. */
  readonly connection: number;
  status: number;
  /** What a vendor would bill; a broken-off answer bills what was produced until then. */
  usage: Billed | null;
  client_closed: boolean;
  done: boolean;
  /** Unix milliseconds at which the answer was over or the caller was gone. */
  ended_at: number | null;
}

/** Tokens billed, in disjoint classes. */
export interface Billed {
  readonly input: number;
  readonly cache_read: number;
  readonly cache_write_5m: number;
  readonly cache_write_1h: number;
  readonly output: number;
  readonly reasoning: number;
}

/** Sums per model. */
export type Totals = { -readonly [Key in keyof Billed]: number } & {
  requests: number;
  completed: number;
  failed: number;
  abandoned: number;
};

const MAX_LOG = 10_000;
const MAX_PREFIXES = 20_000;
const MAX_COUNTERS = 10_000;
/** Vendors keep a prompt prefix for about five minutes after its last use. */
const PREFIX_TTL_MS = 300_000;

/** Usage as billed when `share` of the answer was produced. */
export function billed(usage: Usage, share: number): Billed {
  return {
    input: usage.input,
    cache_read: usage.cacheRead,
    cache_write_5m: usage.cacheWrite5m,
    cache_write_1h: usage.cacheWrite1h,
    output: Math.ceil(usage.output * share),
    reasoning: Math.min(usage.reasoning, Math.ceil(usage.output * share)),
  };
}

function noTotals(): Totals {
  return {
    requests: 0,
    completed: 0,
    failed: 0,
    abandoned: 0,
    input: 0,
    cache_read: 0,
    cache_write_5m: 0,
    cache_write_1h: 0,
    output: 0,
    reasoning: 0,
  };
}

function addBilled(totals: Totals, usage: Billed): void {
  totals.input += usage.input;
  totals.cache_read += usage.cache_read;
  totals.cache_write_5m += usage.cache_write_5m;
  totals.cache_write_1h += usage.cache_write_1h;
  totals.output += usage.output;
  totals.reasoning += usage.reasoning;
}

/** What the server remembers between requests: its log, its totals, warm prompt prefixes, fault counters. All bounded. */
export class SimulatorMemory {
  #log: ReceivedCall[] = [];
  #totals = new Map<string, Totals>();
  readonly #prefixes = new Map<string, number>();
  readonly #counters = new Map<string, number>();

  add(call: ReceivedCall): void {
    this.#log.push(call);
    if (this.#log.length > MAX_LOG) this.#log.splice(0, MAX_LOG / 10);
    this.#of(call.model).requests++;
  }

  /** The call has ended, one way or another; its usage goes into the totals. */
  finish(call: ReceivedCall): void {
    if (call.done) return;
    call.done = true;
    call.ended_at = Date.now();
    const totals = this.#of(call.model);
    if (call.client_closed) totals.abandoned++;
    else if (call.status >= 400 || call.usage === null) totals.failed++;
    else totals.completed++;
    if (call.usage !== null) addBilled(totals, call.usage);
  }

  #of(model: string): Totals {
    let found = this.#totals.get(model);
    if (found === undefined) {
      found = noTotals();
      this.#totals.set(model, found);
    }
    return found;
  }

  /** The latest calls, oldest first; of one model only where it is named. */
  log(limit: number, model?: string): readonly ReceivedCall[] {
    const found = model === undefined ? this.#log : this.#log.filter((call) => call.model === model);
    return found.slice(-limit);
  }

  totals(): { readonly all: Totals; readonly models: Readonly<Record<string, Totals>> } {
    const all = noTotals();
    for (const entry of this.#totals.values()) {
      for (const key of Object.keys(all) as (keyof Totals)[]) all[key] += entry[key];
    }
    return { all, models: Object.fromEntries(this.#totals) };
  }

  /** Forgets log, totals, prefixes and fault counters. */
  clear(): void {
    this.#log = [];
    this.#totals = new Map();
    this.#prefixes.clear();
    this.#counters.clear();
  }

  isWarm(hash: string, now: number): boolean {
    const until = this.#prefixes.get(hash);
    return until !== undefined && until > now;
  }

  /** Marks prefixes as used; the least recently used ones give way. */
  warm(hashes: readonly string[], now: number): void {
    for (const hash of hashes) {
      this.#prefixes.delete(hash);
      this.#prefixes.set(hash, now + PREFIX_TTL_MS);
    }
    for (const hash of this.#prefixes.keys()) {
      if (this.#prefixes.size <= MAX_PREFIXES) break;
      this.#prefixes.delete(hash);
    }
  }

  /** Whether a fault strikes this time: `times` counts requests with the same key, `p` draws from seeded dice. */
  strikes(options: Options, model: string): boolean {
    if (options.times === undefined && options.p === undefined) return true;
    const key = `${options.key ?? model}|${options.fault ?? ''}`;
    const count = this.#counters.get(key) ?? 0;
    if (this.#counters.size >= MAX_COUNTERS) this.#counters.clear();
    this.#counters.set(key, count + 1);
    if (options.times !== undefined && count >= options.times) return false;
    return options.p === undefined || createDice(`${options.seed ?? ''}|${key}|${count}`).next() < options.p;
  }
}
