import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SluiceError } from '../core/errors/error.ts';
import type { FormatId } from '../core/model/index.ts';
import {
  answerSide,
  errorBody,
  errorHeaders,
  findRoute,
  type Options,
  type Route,
  type Script,
  streamType,
  tellStream,
  tellWhole,
  type VendorError,
  vendorHeaders,
} from '../providers/simulator/index.ts';
import { answerCall, type Latency, paceOf, parseBody, readBody, readHead } from './simulator/calls.ts';
import { billed, type ReceivedCall, SimulatorMemory } from './simulator/memory.ts';
import { play } from './simulator/player.ts';

/** How to start a simulator. */
export interface SimulatorOptions {
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port?: number;
  /** Default `lively`: first token after 280 ms, then 80 tokens a second. */
  readonly latency?: Latency;
  /** Defaults for every call, as `POST /__sim/behaviour` sets them. */
  readonly behaviour?: Options;
}

/** A simulator that listens. */
export interface RunningSimulator {
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

class SimulatorServer {
  readonly #memory = new SimulatorMemory();
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #latency: Latency;
  #defaults: Options;
  #serial = 0;

  constructor(options: SimulatorOptions) {
    this.#latency = options.latency ?? 'lively';
    this.#defaults = options.behaviour ?? {};
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#broken(response, error));
    });
    this.#server.on('connection', (socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      // Faults reset connections under their own feet.
      socket.on('error', () => socket.destroy());
    });
  }

  async listen(host: string, port: number): Promise<RunningSimulator> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    const { port: bound } = this.#server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    return { url: `http://${name}:${bound}`, close: () => this.#close() };
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #broken(response: ServerResponse, error: unknown): void {
    if (response.headersSent) response.destroy();
    else this.#json(response, 500, { error: { message: String(error), type: 'simulator_defect' } });
  }

  #json(response: ServerResponse, status: number, body: unknown): void {
    const text = JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    response.end(text);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://simulator');
    if (url.pathname.startsWith('/__sim/')) return this.#control(request, response, url);
    const route = findRoute(request.method ?? '', url.pathname, url.searchParams);
    if (route === undefined) {
      request.resume();
      return this.#json(response, 404, { error: { message: `Invalid URL (${request.method} ${url.pathname})` } });
    }
    const bytes = request.method === 'GET' ? Buffer.alloc(0) : await readBody(request);
    if (route.kind === 'side') return this.#side(route, bytes, { request, response, path: url.pathname });
    return this.#chat(route, bytes, { request, response, path: url.pathname });
  }
}

/** Starts the simulator's HTTP server. */
export function startSimulator(options: SimulatorOptions = {}): Promise<RunningSimulator> {
  return new SimulatorServer(options).listen(options.host ?? '127.0.0.1', options.port ?? 0);
}
