import type { InFlight, UnderWay } from '../resilience/in-flight.ts';
import type { CountShare, CountUse } from './shared-count.ts';

/** A lease that was not given back. */
export interface Occupied extends UnderWay {
  readonly expiresAt: number;
}

/** Leases that end in the same five minutes are one count. */
const PART_MS = 300_000;

/** When a lease stops counting in other processes: when it expires, or soon after. */
export function leaseUntil({ expiresAt }: { readonly expiresAt: number }): number {
  return Math.ceil(expiresAt / PART_MS) * PART_MS;
}

/** Leases by when they end, for processes that share a limit on them. */
export class LeaseCount implements CountUse {
  share: CountShare | undefined;
  readonly #counts = new Map<number, number>();

  constructor(leases: InFlight<Occupied>) {
    leases.forEach((lease) => {
      this.#count(lease, 1);
    });
  }

  add(lease: Occupied): void {
    this.#count(lease, 1);
  }

  delete(lease: Occupied): void {
    this.#count(lease, -1);
  }

  usedUntil(until: number): number {
    return this.#counts.get(until) ?? 0;
  }

  ends(): Iterable<number> {
    return this.#counts.keys();
  }

  #count(lease: Occupied, by: number): void {
    const until = leaseUntil(lease);
    const count = this.usedUntil(until) + by;
    if (count > 0) this.#counts.set(until, count);
    else this.#counts.delete(until);
    this.share?.touch(until);
  }
}
