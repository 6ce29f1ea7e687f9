import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTls, type TlsOptions } from 'node:tls';

/** A receiver of syslog messages. */
export interface Receiver {
  readonly port: number;
  readonly messages: string[];
  close(): Promise<void>;
}

/** Over TLS, with counted octets (RFC 5425). */
export async function syslogOverTls(options: TlsOptions, port = 0): Promise<Receiver> {
  const messages: string[] = [];
  const sockets = new Set<Socket>();
  const server = createTls(options, (socket) => {
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const blank = rest.indexOf(' ');
        const length = Number(rest.subarray(0, blank).toString());
        if (blank < 0 || rest.length < blank + 1 + length) return;
        messages.push(rest.subarray(blank + 1, blank + 1 + length).toString());
        rest = rest.subarray(blank + 1 + length);
      }
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One message a datagram (RFC 5426). */
export async function syslogOverUdp(): Promise<Receiver> {
  const messages: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (bytes) => void messages.push(bytes.toString()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    messages,
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
