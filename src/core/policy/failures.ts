const WINDOW_MS = 60_000;
/** Addresses remembered at once; the oldest go first, so that a flood of addresses costs bounded memory. */
const MAX_ADDRESSES = 10_000;

interface Count {
  failures: number;
  readonly endsAt: number;
}

/**
 * Who counts as one peer: an IPv4 address (also when mapped into IPv6), or the /64 of an IPv6 address, because one
 * machine is given a whole /64 to choose from (RFC 6177).
 */
export function peerOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = (plain.split('%', 1)[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? 0 : tail.split(':').length;
  // `::` stands for zeros up to eight groups; what follows it only matters where it reaches into the first four.
  const zeros = tail === undefined ? 0 : 8 - groups.length - after;
  const whole = [...groups, ...Array<string>(Math.max(0, zeros)).fill('0'), ...(tail?.split(':') ?? [])];
  return `${whole.slice(0, 4).join(':')}::/64`;
}

/** Counts wrong keys per peer in windows of a minute. Pure; the caller passes the time (milliseconds of one clock). */
export class FailureLimiter {
  readonly #counts = new Map<string, Count>();

  /** Counts one failure. Returns 0 while the peer is within `limit`, else the milliseconds it should wait. */
  note(address: string, limit: number, now: number): number {
    const peer = peerOf(address);
    let count = this.#counts.get(peer);
    if (count === undefined || count.endsAt <= now) {
      count = { failures: 0, endsAt: now + WINDOW_MS };
      this.#put(peer, count);
    }
    count.failures++;
    return count.failures > limit ? count.endsAt - now : 0;
  }

  /** The peer sent too many, wherever it did: it is to wait so long. */
  block(address: string, waitMs: number, now: number): void {
    this.#put(peerOf(address), { failures: Number.POSITIVE_INFINITY, endsAt: now + waitMs });
  }

  #put(peer: string, count: Count): void {
    this.#counts.delete(peer);
    if (this.#counts.size >= MAX_ADDRESSES) this.#counts.delete(this.#counts.keys().next().value ?? '');
    this.#counts.set(peer, count);
  }

  /** Milliseconds a peer that passed `limit` should wait; 0 when it did not. Counts nothing. */
  waitOf(address: string, limit: number, now: number): number {
    if (this.#counts.size === 0) return 0;
    const count = this.#counts.get(peerOf(address));
    return count === undefined || count.failures < limit ? 0 : Math.max(0, count.endsAt - now);
  }

  /** Peers remembered. */
  get size(): number {
    return this.#counts.size;
  }
}
