import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { PlainRequest } from './client-request.ts';
import { PlainConnection, type PlainHost } from './plain-connection.ts';
import type { PlainResponse } from './plain-response.ts';

/** What plain requests are served with. */
export interface PlainConfig {
  readonly maxHeaderBytes: number;
  /** 0 keeps idle connections for ever. */
  readonly keepAliveTimeoutMs: number;
  readonly isServed: (path: string) => boolean;
  serve(request: PlainRequest, response: PlainResponse): void;
}

/** Largest head read here, whatever is allowed. Bytes. */
const MAX_HEAD_BYTES = 16 * 1024;

/** How often the time limits of all connections are looked at. */
const TICK_MS = 250;

/** A connection is kept so much longer than the client is told, as node does: a request may be on its way. */
const KEEP_ALIVE_GRACE_MS = 1000;

/**
 * Takes a node:http server's connections and reads those requests on them that are plain; all else it gives to the server's own
 * listener, unread (docs/decisions/0017-plain-requests.md).
 */
export class PlainServer implements PlainHost {
  tick = 0;
  closing = false;
  readonly maxHeadBytes: number;
  readonly idleTicks: number;
  readonly isServed: (path: string) => boolean;
  readonly #server: Server;
  readonly #config: PlainConfig;
  readonly #node: (socket: Socket) => void;
  readonly #connections = new Set<PlainConnection>();
  readonly #keepAlive: string;
  #timer: NodeJS.Timeout | undefined;
  #second = 0;
  #date = '';

  constructor(server: Server, config: PlainConfig) {
    this.#server = server;
    this.#config = config;
    this.isServed = config.isServed;
    const [node] = server.listeners('connection');
    if (node === undefined) throw new Error('node:http listens for connections in another way now');
    this.#node = node as (socket: Socket) => void;
    server.off('connection', this.#node);
    this.maxHeadBytes = Math.min(config.maxHeaderBytes, MAX_HEAD_BYTES);
    const { keepAliveTimeoutMs: idle } = config;
    this.idleTicks = idle > 0 ? Math.ceil((idle + KEEP_ALIVE_GRACE_MS) / TICK_MS) : 0;
    const told = idle > 0 ? `Keep-Alive: timeout=${Math.floor(idle / 1000)}\r\n` : '';
    this.#keepAlive = `Connection: keep-alive\r\n${told}`;
  }

  /** Reads a new connection. */
  accept(socket: Socket): void {
    this.#connections.add(new PlainConnection(socket, this));
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#sweep(), TICK_MS);
    this.#timer.unref();
  }

  /** Gives a connection to node's own server. */
  pass(socket: Socket): void {
    this.#node.call(this.#server, socket);
  }

  /** No more requests; connections on which nothing is being answered close now, the others after their answer. */
  close(): void {
    this.closing = true;
    for (const connection of this.#connections) if (connection.isIdle) connection.socket.destroy();
  }

  /** Closes what is still open. */
  closeAll(): void {
    for (const connection of this.#connections) connection.socket.destroy();
  }

  serve(request: PlainRequest, response: PlainResponse): void {
    this.#config.serve(request, response);
  }

  lastLines(keepAlive: boolean, dated: boolean): string {
    const now = Date.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = `Date: ${new Date(now).toUTCString()}\r\n`;
    }
    return (dated ? '' : this.#date) + (keepAlive ? this.#keepAlive : 'Connection: close\r\n');
  }

  handOver(connection: PlainConnection, unread: Buffer | undefined): void {
    const { socket } = connection;
    this.forget(connection);
    // Node's parser takes the handle, but what is in the stream reaches it only when that flows: after its listeners are there.
    socket.pause();
    if (unread !== undefined) socket.unshift(unread);
    this.pass(socket);
    socket.resume();
  }

  cutOff(socket: Socket, unread: Buffer): void {
    // What node's parser says of the same.
    const error = Object.assign(new Error('Parse Error: Invalid EOF state'), {
      code: 'HPE_INVALID_EOF_STATE',
      rawPacket: unread,
    });
    this.#server.emit('clientError', error, socket);
  }

  forget(connection: PlainConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    this.tick++;
    for (const connection of this.#connections) connection.check();
  }
}
