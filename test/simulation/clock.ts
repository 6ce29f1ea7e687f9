import type { Clock } from '../../src/ports/clock.ts';

interface Appointment {
  readonly at: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** The one time of a simulated world, milliseconds. Nothing happens between two appointments. */
export class Timeline {
  #now = 0;
  #order = 0;
  /** A binary heap, the earliest first; of one moment the one made first. */
  readonly #heap: Appointment[] = [];

  get now(): number {
    return this.#now;
  }

  /** Calls back after `ms`; the returned function cancels. */
  in(ms: number, run: () => void): () => void {
    const appointment: Appointment = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#push(appointment);
    return () => {
      appointment.run = undefined;
    };
  }

  /** Goes to the next appointment and keeps it. False when there is none. */
  step(): boolean {
    for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
      const { run } = next;
      if (run === undefined) continue;
      this.#now = next.at;
      run();
      return true;
    }
    return false;
  }

  #push(appointment: Appointment): void {
    const heap = this.#heap;
    let at = heap.push(appointment) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(appointment, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = appointment;
  }

  #pop(): Appointment | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Appointment, b: Appointment): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** The wall clock of the machine, which an administrator or a time server may set at any moment. */
export interface Wall {
  /** Milliseconds since 1970 at the beginning of the timeline. */
  skew: number;
}

/** The clocks of one process: they end with it. */
export class ProcessClock implements Clock {
  readonly #timeline: Timeline;
  readonly #wall: Wall;
  readonly #bornAt: number;
  /** Timers fire only at multiples of this, as the port allows. */
  readonly #resolutionMs: number;
  /** When a timer fired last. */
  firedAt = 0;
  readonly #open = new Set<() => void>();
  #alive = true;

  constructor(timeline: Timeline, wall: Wall, resolutionMs: number) {
    this.#timeline = timeline;
    this.#wall = wall;
    this.#bornAt = timeline.now;
    this.#resolutionMs = resolutionMs;
  }

  /** Timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#open.size;
  }

  now(): number {
    return Math.floor(this.#wall.skew + this.#timeline.now);
  }

  monotonic(): number {
    return this.#timeline.now - this.#bornAt;
  }

  after(ms: number, callback: () => void): () => void {
    if (!this.#alive) return () => undefined;
    const late = this.#resolutionMs === 0 ? 0 : this.#resolutionMs - (ms % this.#resolutionMs);
    const cancel = this.#timeline.in(ms + late, () => {
      this.#open.delete(drop);
      this.firedAt = this.#timeline.now;
      callback();
    });
    const drop = (): void => {
      this.#open.delete(drop);
      cancel();
    };
    this.#open.add(drop);
    return drop;
  }

  /** The process died: none of its timers fires any more. */
  kill(): void {
    this.#alive = false;
    for (const drop of [...this.#open]) drop();
  }
}
