import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PROXY_FAULT } from '../../core/errors/connection-fault.ts';
import type { OutboundProxy } from './outbound-proxies.ts';

/** The proxy does not open the way. `status`: what it answered, where it did. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code = PROXY_FAULT;
  readonly status: number | undefined;

  constructor(status: number | undefined, options?: ErrorOptions) {
    super('the proxy opened no tunnel', options);
    this.status = status;
  }
}

/** More than a proxy has to say before a tunnel. Bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
const HEAD_END = '\r\n\r\n';
const STATUS = /^HTTP\/1\.[01] (\d{3})(?: |\r)/;

function connectRequest(proxy: OutboundProxy, authority: string): string {
  const authorization =
    proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`;
}

/** Calls back with the status of the proxy's answer once its head is there; what follows the head goes back into the socket. */
function readAnswer(socket: Socket, done: (status: number | undefined) => void): void {
  let text = '';
  const onData = (piece: Buffer): void => {
    text += piece.toString('latin1');
    const end = text.indexOf(HEAD_END);
    if (end < 0 && text.length <= MAX_HEAD_BYTES) return;
    socket.off('data', onData);
    socket.pause();
    const status = end < 0 ? undefined : STATUS.exec(text)?.[1];
    const rest = text.slice(end + HEAD_END.length);
    if (end >= 0 && rest !== '') socket.unshift(Buffer.from(rest, 'latin1'));
    done(status === undefined ? undefined : Number(status));
  };
  socket.on('data', onData);
}

/**
 * Opens a tunnel to an authority (`host:port`) through a proxy (`CONNECT`, RFC 9110 §9.3.6). Calls back once, with the open
 * socket or a {@link ProxyError}; never when the returned socket is destroyed before.
 */
export function openTunnel(
  proxy: OutboundProxy,
  { authority, connectMs }: { readonly authority: string; readonly connectMs: number },
  callback: (error: ProxyError | null, socket: Socket) => void,
): Socket {
  const { hostname: host, port } = proxy;
  const socket = proxy.secure ? connectTls({ host, port }) : connectTcp({ host, port, allowHalfOpen: true });
  const timer = connectMs === 0 ? undefined : setTimeout(() => over(undefined), connectMs);
  const settle = (error: ProxyError | null): void => {
    clearTimeout(timer);
    socket.off('error', over).off('end', over).off('close', close);
    if (error !== null) socket.on('error', () => undefined).destroy();
    callback(error, socket);
  };
  const over = (cause: Error | undefined): void => settle(new ProxyError(undefined, { cause }));
  const close = (): void => clearTimeout(timer);
  socket.setNoDelay(true);
  socket.once('error', over).once('end', over).once('close', close);
  socket.once(proxy.secure ? 'secureConnect' : 'connect', () => {
    readAnswer(socket, (status) => {
      const isOpen = status !== undefined && status >= 200 && status < 300;
      settle(isOpen ? null : new ProxyError(status));
    });
    socket.write(connectRequest(proxy, authority));
  });
  return socket;
}
