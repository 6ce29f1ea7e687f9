import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** A request that was read here and is all there (`plain-connection.ts`): nothing of it arrives any more. */
export class PlainRequest {
  readonly method = 'POST';
  /** Node's word for "read to its end". */
  readonly complete = true;
  readonly url: string;
  /** Names in lower case, each once. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly socket: Socket;

  constructor(
    head: { readonly url: string; readonly headers: IncomingHttpHeaders },
    body: Buffer,
    socket: Socket,
  ) {
    this.url = head.url;
    this.headers = head.headers;
    this.body = body;
    this.socket = socket;
  }
}

/** A request of the data plane: read by node:http, its body perhaps still arriving, or plain and complete. */
export type ClientRequest = IncomingMessage | PlainRequest;
