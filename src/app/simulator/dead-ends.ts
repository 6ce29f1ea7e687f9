import { connect, createServer, type Server, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

/** Faults below HTTP: addresses at which no request is ever answered. */
export type DeadEnd = 'refused' | 'reset' | 'black_hole' | 'unaccepting' | 'tls';

/** What each one does, one line for people. */
export const DEAD_ENDS: Readonly<Record<DeadEnd, string>> = {
  refused: 'nobody listens: the connection is refused',
  reset: 'every connection is reset as soon as it is open',
  black_hole: 'connections are taken, requests are read, nothing is ever answered',
  unaccepting: 'the queue of new connections is full: connecting never succeeds',
  tls: 'an https address that answers in plain text',
};

/** Dead ends that are open. */
export interface RunningDeadEnds {
  readonly urls: Readonly<Record<DeadEnd, string>>;
  close(): Promise<void>;
}

/** A listening port and how to close it with everything on it. */
interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

async function listenWith(host: string, onConnection: (socket: Socket) => void): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => resolve());
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** A port that was free a moment ago; it stays unused as long as nothing else asks the system for one. */
async function unusedPort(host: string): Promise<number> {
  const listening = await listenWith(host, (socket) => socket.destroy());
  await listening.close();
  return listening.port;
}

/** Listens with the shortest queue and never turns its event loop again, so that nothing is ever accepted. */
const UNACCEPTING = `
const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:net').createServer();
server.listen({ host: workerData, port: 0, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});
`;

/** Connections that fill a queue of length one on Linux (it holds one more than was asked for), and some to spare. */
const FILLERS = 4;

async function startUnaccepting(host: string): Promise<Listening> {
  const worker = new Worker(UNACCEPTING, { eval: true, workerData: host });
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const fillers = Array.from({ length: FILLERS }, () => {
    const socket = connect(port, host);
    socket.on('error', () => socket.destroy());
    return socket;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    port,
    async close() {
      for (const socket of fillers) socket.destroy();
      await worker.terminate();
    },
  };
}

const PLAIN = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

/** Opens one address of each kind. */
export async function startDeadEnds(host = '127.0.0.1'): Promise<RunningDeadEnds> {
  const [reset, hole, plain, unaccepting] = await Promise.all([
    listenWith(host, (socket) => socket.resetAndDestroy()),
    listenWith(host, (socket) => socket.resume()),
    listenWith(host, (socket) => socket.once('data', () => socket.end(PLAIN))),
    startUnaccepting(host),
  ]);
  const refused = await unusedPort(host);
  const name = host.includes(':') ? `[${host}]` : host;
  const at = (port: number, scheme = 'http'): string => `${scheme}://${name}:${port}`;
  return {
    urls: {
      refused: at(refused),
      reset: at(reset.port),
      black_hole: at(hole.port),
      unaccepting: at(unaccepting.port),
      tls: at(plain.port, 'https'),
    },
    async close() {
      await Promise.all([reset, hole, plain, unaccepting].map((listening) => listening.close()));
    },
  };
}
