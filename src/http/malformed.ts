import type { Socket } from 'node:net';
import { SluiceError } from '../core/errors/error.ts';
import { adminError } from './admin.ts';
import type { ClientResponse } from './client-response.ts';
import { dialectOf, isDataPlanePath, plainPath } from './data-plane.ts';

/** A fault of node:http's parser or of the socket. */
interface ClientError extends Error {
  readonly code?: string;
  /** The bytes that could not be parsed. */
  readonly rawPacket?: Buffer;
}

/** What the peer may still send and read after the last answer, before the connection breaks. */
const LINGER_MS = 1000;

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  417: 'Expectation Failed',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
};

function failureOf(code: string | undefined): SluiceError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new SluiceError('bad_request', 'The headers are larger than `server.max_header_bytes`.', {
        param: 'headers',
        status: 431,
      });
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new SluiceError('body_too_large', 'The chunk extensions of the body are too large.', {
        param: 'body',
      });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new SluiceError('body_timeout', 'The request did not arrive in time.', { param: 'headers' });
    default:
      return new SluiceError('bad_request', 'This is not a valid HTTP/1.1 request.', { param: 'request' });
  }
}

/** The path in a request line, as far as one can be seen. */
function pathIn(packet: Buffer | undefined): string {
  const line = packet?.toString('latin1', 0, 2048) ?? '';
  return /^[A-Z]{3,10} (\/[^\s?]*)/.exec(line)?.[1] ?? '';
}

/** A whole HTTP answer for a connection on which nothing more will be said. */
export function lastWords(
  error: SluiceError,
  told: { readonly path: string; readonly requestId: string },
): string {
  const { path, requestId } = told;
  const { status, body } =
    isDataPlanePath(path) || path === ''
      ? dialectOf(plainPath(path)).encodeError(error, requestId)
      : adminError(error);
  const text = JSON.stringify(body);
  const retry = status === 503 ? 'retry-after: 1\r\n' : '';
  return (
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(text)}\r\nx-sluice-request-id: ${requestId}\r\n` +
    `x-sluice-error: ${error.code}\r\n${retry}connection: close\r\n\r\n${text}`
  );
}

/** Says a last thing on a connection and closes it, in a bounded time. */
export function dismiss(socket: Socket, text: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(text);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/**
 * Answers what is no HTTP, once, and closes the connection (RELIABILITY T11). `answer` is what is still being said on it:
 * if that request was complete, garbage came after it and it gets its answer first; if not, its body is the garbage.
 */
export function answerMalformed(
  error: ClientError,
  socket: Socket,
  now: { readonly answer: ClientResponse | undefined; readonly requestId: string },
): void {
  const { answer, requestId } = now;
  const broken = error.code === 'ECONNRESET' || error.code === 'EPIPE';
  if (broken || socket.destroyed || (answer?.headersSent === true && !answer.req.complete)) {
    socket.destroy();
    return;
  }
  if (answer?.req.complete === true) {
    if (!answer.headersSent) answer.shouldKeepAlive = false;
    answer.once('close', () => socket.destroySoon());
    return;
  }
  const path = answer === undefined ? pathIn(error.rawPacket) : (answer.req.url ?? '').split('?', 1)[0];
  dismiss(socket, lastWords(failureOf(error.code), { path: path ?? '', requestId }));
}
