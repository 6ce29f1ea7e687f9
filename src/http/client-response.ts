import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ClientRequest } from './client-request.ts';

/**
 * What the data plane needs to answer: node's `ServerResponse` as it is, or a `PlainResponse`. Everything means what it means
 * for node; `close` comes at the latest when the connection closes, `drain` when more can be written.
 */
export interface ClientResponse extends EventEmitter {
  readonly req: ClientRequest;
  /** The connection while the answer may write to it; `null` before its turn and after its end. */
  readonly socket: Socket | null;
  /** The body is written in chunks of its own (RFC 9112 §7.1), because no length was given. */
  readonly chunkedEncoding: boolean;
  readonly headersSent: boolean;
  /** The last byte is with the operating system. */
  readonly writableFinished: boolean;
  readonly destroyed: boolean;
  /** Set to `false` before `writeHead`, the connection closes after this answer, and the client is told. */
  shouldKeepAlive: boolean;
  /** Throws on a name or value that no header may have. */
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  /** Whether the client takes more at once. */
  write(piece: Uint8Array | string): boolean;
  end(last?: Uint8Array | string): unknown;
  end(last: string, encoding: 'latin1' | 'utf8'): unknown;
  /** Breaks the connection off. */
  destroy(): unknown;
}
