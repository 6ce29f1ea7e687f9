/** How urgent a request is. A class never locks out another: see {@link FairQueue}. */
export type Priority = 'high' | 'normal' | 'low';

/** Most urgent first. */
export const PRIORITIES = ['high', 'normal', 'low'] as const satisfies readonly Priority[];

/** Turns of each class while all three wait. Strict precedence would starve the lower ones. */
const CLASS_WEIGHTS: Readonly<Record<Priority, number>> = { high: 16, normal: 4, low: 1 };

/** Somebody who comes to wait. Times are milliseconds of one clock. */
export interface Arrival {
  readonly tenant: string;
  /** Turns of this tenant relative to others of its class; above 0. */
  readonly weight: number;
  readonly priority: Priority;
  /** When waiting ends in vain. */
  readonly deadline: number;
  /** How many may wait, this one counted. */
  readonly maxLength: number;
}

/** Where an arrival stands. */
export interface Joined<T> {
  /** How many turns until its own, itself counted, if nobody else came: 1 is next. */
  readonly position: number;
  /** Who had to leave because the queue is full: the youngest of the least urgent class. */
  readonly displaced: T | undefined;
}

/** Items of one tenant. `start` is the virtual time at which its next item is due. */
interface Flow<T> {
  readonly waiting: Set<T>;
  weight: number;
  start: number;
}

interface Entry<T> {
  readonly item: T;
  readonly tenant: string;
  readonly lane: Lane<T>;
  readonly deadline: number;
}

/**
 * Start-time fair queueing (Goyal, Vin, Cheng 1996) with equal item sizes: each tenant's next item is due `1 ÷ weight`
 * after its last one, the least due time is served, and virtual time is that of who was served last. Between two tenants
 * that both wait, turns per weight differ by at most one turn of each.
 */
class Lane<T> {
  readonly priority: Priority;
  readonly flows = new Map<string, Flow<T>>();
  /** Where idle tenants would go on: leaving and coming back must not gain a turn. */
  readonly #owed = new Map<string, number>();
  #virtual = 0;
  start = 0;
  length = 0;

  constructor(priority: Priority) {
    this.priority = priority;
  }

  push(item: T, { tenant, weight }: Arrival): void {
    let flow = this.flows.get(tenant);
    if (flow === undefined) {
      const start = Math.max(this.#virtual, this.#owed.get(tenant) ?? 0);
      this.#owed.delete(tenant);
      flow = { waiting: new Set(), weight, start };
      this.flows.set(tenant, flow);
    }
    flow.weight = weight;
    flow.waiting.add(item);
    this.length++;
  }

  /** The tenant whose turn it is; the longest waiting of equals. */
  next(): [string, Flow<T>] | undefined {
    let best: [string, Flow<T>] | undefined;
    for (const entry of this.flows) {
      if (best === undefined || entry[1].start < best[1].start) best = entry;
    }
    return best;
  }

  /** An item leaves; `served`: it had its turn, which is charged to its tenant. */
  take(tenant: string, item: T, served: boolean): void {
    const flow = this.flows.get(tenant);
    if (flow?.waiting.delete(item) !== true) return;
    this.length--;
    if (served) {
      this.#virtual = Math.max(this.#virtual, flow.start);
      flow.start += 1 / flow.weight;
    }
    if (flow.waiting.size === 0) this.#rest(tenant, flow);
  }

  /** Items of this lane that are due no later than `due`. */
  dueBy(due: number): number {
    let count = 0;
    for (const { start, weight, waiting } of this.flows.values()) {
      if (start <= due) count += Math.min(waiting.size, Math.floor((due - start) * weight + 1e-9) + 1);
    }
    return count;
  }

  #rest(tenant: string, flow: Flow<T>): void {
    this.flows.delete(tenant);
    if (this.length === 0) this.#owed.clear();
    else if (flow.start > this.#virtual) this.#owed.set(tenant, flow.start);
    for (const [id, start] of this.#owed) {
      // In order of leaving: most of those behind are due later.
      if (start > this.#virtual) break;
      this.#owed.delete(id);
    }
  }
}

/** Virtual time at which a class has had its next turn. By this, not by its beginning, the urgent come first. */
function dueOf<T>(lane: Lane<T>): number {
  return lane.start + 1 / CLASS_WEIGHTS[lane.priority];
}

/**
 * Those who wait, in fair turns: between classes 16:4:1 (self-clocked fair queueing, Golestani 1994), within a class by tenants' weights, within a tenant first come,
 * first served. Bounded, with a deadline for each. Pure; an item may be in a queue once.
 */
export class FairQueue<T> {
  readonly #lanes: readonly Lane<T>[] = PRIORITIES.map((priority) => new Lane<T>(priority));
  /** In order of arrival. */
  readonly #entries = new Map<T, Entry<T>>();
  #virtual = 0;

  get length(): number {
    return this.#entries.size;
  }

  /** `undefined`: there is no room. One that waits already keeps its place. */
  push(item: T, arrival: Arrival): Joined<T> | undefined {
    if (arrival.maxLength < 1) return undefined;
    const lane = this.#lanes.find(({ priority }) => priority === arrival.priority);
    if (lane === undefined || this.#entries.has(item)) return undefined;
    const full = this.length >= arrival.maxLength;
    const displaced = full ? this.#youngestBelow(lane) : undefined;
    if (full && displaced === undefined) return undefined;
    if (displaced !== undefined) this.remove(displaced);
    if (lane.length === 0) lane.start = Math.max(lane.start, this.#virtual);
    lane.push(item, arrival);
    this.#entries.set(item, { item, tenant: arrival.tenant, lane, deadline: arrival.deadline });
    return { position: this.#positionOf(arrival.tenant, lane), displaced };
  }

  /** Whose turn it is; stays in the queue. */
  peek(): T | undefined {
    const lane = this.#nextLane();
    const [, flow] = lane?.next() ?? [];
    const [item] = flow?.waiting ?? [];
    return item;
  }

  /** Takes out whose turn it is. */
  shift(): T | undefined {
    const lane = this.#nextLane();
    const [tenant, flow] = lane?.next() ?? [];
    const [item] = flow?.waiting ?? [];
    if (lane === undefined || tenant === undefined || item === undefined) return undefined;
    this.#virtual = dueOf(lane);
    lane.start = this.#virtual;
    lane.take(tenant, item, true);
    this.#entries.delete(item);
    return item;
  }

  /** Somebody left. Returns whether it was there. */
  remove(item: T): boolean {
    const entry = this.#entries.get(item);
    if (entry === undefined) return false;
    entry.lane.take(entry.tenant, item, false);
    return this.#entries.delete(item);
  }

  /** Takes out those whose deadline has passed. */
  expire(now: number): readonly T[] {
    const late = [...this.#entries.values()]
      .filter(({ deadline }) => deadline <= now)
      .map(({ item }) => item);
    for (const item of late) this.remove(item);
    return late;
  }

  /** The nearest deadline; infinite for an empty queue. */
  nextDeadline(): number {
    let nearest = Number.POSITIVE_INFINITY;
    for (const { deadline } of this.#entries.values()) nearest = Math.min(nearest, deadline);
    return nearest;
  }

  #nextLane(): Lane<T> | undefined {
    let best: Lane<T> | undefined;
    for (const lane of this.#lanes) {
      if (lane.length > 0 && (best === undefined || dueOf(lane) < dueOf(best))) best = lane;
    }
    return best;
  }

  #youngestBelow(lane: Lane<T>): T | undefined {
    for (const lower of [...this.#lanes].reverse()) {
      if (lower === lane) return undefined;
      if (lower.length === 0) continue;
      let youngest: T | undefined;
      for (const entry of this.#entries.values()) if (entry.lane === lower) youngest = entry.item;
      return youngest;
    }
    return undefined;
  }

  /** Of the youngest item of a tenant: the items due before it in its lane, then the turns other lanes have meanwhile. */
  #positionOf(tenant: string, lane: Lane<T>): number {
    const flow = lane.flows.get(tenant);
    if (flow === undefined) return 1;
    const within = lane.dueBy(flow.start + (flow.waiting.size - 1) / flow.weight);
    const due = lane.start + within / CLASS_WEIGHTS[lane.priority];
    let position = within;
    for (const other of this.#lanes) {
      if (other === lane || other.length === 0) continue;
      const turns = Math.floor((due - other.start) * CLASS_WEIGHTS[other.priority] + 1e-9);
      position += Math.min(other.length, Math.max(0, turns));
    }
    return position;
  }
}
