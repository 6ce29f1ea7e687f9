import { isIP, type Socket } from 'node:net';
import type { ClientResponse } from './client-response.ts';

/** How many connections may be open. */
export interface ConnectionLimits {
  readonly total: number;
  /** From one address; peers on this machine are only bound by `total`: a proxy in front makes all calls look local. */
  readonly perAddress: number;
  /** Proxies that call for many clients; only bound by `total` as well. */
  readonly isProxy?: ((address: string) => boolean) | undefined;
}

interface Place {
  readonly socket: Socket;
  readonly address: string;
  /** The last answer begun on this connection. */
  answer: ClientResponse | undefined;
}

function isLocal(address: string): boolean {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

function isAnswering({ answer }: Place): boolean {
  return answer !== undefined && !answer.writableFinished && !answer.destroyed;
}

/**
 * The open client connections. At a limit the oldest one that no request is being answered on makes room, so that a peer
 * which opens sockets and says nothing (slowloris) cannot keep others out (RELIABILITY T14).
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** In the order of their age. */
  readonly #places = new Map<Socket, Place>();
  readonly #byAddress = new Map<string, Set<Place>>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#places.size;
  }

  /** Takes a new connection in; false when there is no room for it. */
  open(socket: Socket): boolean {
    const address = socket.remoteAddress ?? '';
    const neighbours = this.#byAddress.get(address) ?? new Set<Place>();
    const { total, perAddress, isProxy } = this.#limits;
    if (neighbours.size >= perAddress && !isLocal(address) && isProxy?.(address) !== true) {
      if (!this.#makeRoom(neighbours)) return false;
    }
    if (this.#places.size >= total && !this.#makeRoom(this.#places.values())) return false;
    const place: Place = { socket, address, answer: undefined };
    this.#places.set(socket, place);
    neighbours.add(place);
    this.#byAddress.set(address, neighbours);
    socket.once('close', () => this.#forget(place));
    return true;
  }

  /** A request came in on this connection. */
  begin(socket: Socket, answer: ClientResponse): void {
    const place = this.#places.get(socket);
    if (place !== undefined) place.answer = answer;
  }

  /** The answer that is still being made or written on this connection. */
  answerOn(socket: Socket): ClientResponse | undefined {
    const place = this.#places.get(socket);
    return place !== undefined && isAnswering(place) ? place.answer : undefined;
  }

  #makeRoom(among: Iterable<Place>): boolean {
    for (const place of among) {
      if (isAnswering(place)) continue;
      this.#forget(place);
      place.socket.destroy();
      return true;
    }
    return false;
  }

  #forget(place: Place): void {
    this.#places.delete(place.socket);
    const neighbours = this.#byAddress.get(place.address);
    neighbours?.delete(place);
    if (neighbours?.size === 0) this.#byAddress.delete(place.address);
  }
}
