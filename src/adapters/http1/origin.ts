import type { buildConnector } from 'undici';
import type { Outbox } from '../../ports/outbox.ts';
import type { UpstreamRequest } from '../../ports/upstream.ts';
import type { ReceivedAnswer } from './answer.ts';
import type { Connect } from './connect.ts';
import { Connection, type ConnectionHome } from './connection.ts';
import { Line } from './line.ts';
import { RequestHeads } from './request-heads.ts';

/** An origin with the rules it is reached by. */
export interface OriginConfig {
  /** Scheme and authority. */
  readonly origin: string;
  readonly connect: Connect;
  readonly connections: number;
  readonly maxHeaderBytes: number;
  readonly outbox: Outbox;
}

/** The connections to one origin; those used last are used next, so that the others grow old and close. */
export class Origin implements ConnectionHome {
  /** Who takes a place here may send; the answer gives it back. */
  readonly line: Line;
  readonly connect: Connect;
  readonly target: buildConnector.Options;
  readonly maxHeaderBytes: number;
  readonly outbox: Outbox;
  readonly heads: RequestHeads;
  readonly #idle: Connection[] = [];
  readonly #open = new Set<Connection>();

  /** Throws a `TypeError` when `origin` is none. */
  constructor(config: OriginConfig) {
    const { protocol, host, hostname, port } = new URL(config.origin);
    this.target = {
      protocol,
      host,
      hostname: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
      port,
    };
    this.connect = config.connect;
    this.maxHeaderBytes = config.maxHeaderBytes;
    this.outbox = config.outbox;
    this.heads = new RequestHeads(host);
    this.line = new Line(config.connections);
  }

  /** Sends over a free connection, or a new one. Throws for a request that cannot be written. */
  send(request: UpstreamRequest, answer: ReceivedAnswer): void {
    const connection = this.#idle.pop() ?? this.#new();
    connection.send(request, answer);
  }

  /** The other idle connections are likely to be closed as well. */
  again(request: UpstreamRequest, answer: ReceivedAnswer): void {
    this.#new().send(request, answer);
  }

  #new(): Connection {
    const connection = new Connection(this);
    this.#open.add(connection);
    return connection;
  }

  idle(connection: Connection): void {
    this.#idle.push(connection);
  }

  gone(connection: Connection): void {
    this.#open.delete(connection);
    const at = this.#idle.lastIndexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Closes every connection; answers that are not complete are cut. */
  destroy(): void {
    for (const connection of [...this.#open]) connection.destroy();
  }
}
