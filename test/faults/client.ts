import { Agent, type IncomingMessage, request as send } from 'node:http';
import { type Dialect, emptyReading, type Json, parseSse, type Reading } from './dialects.ts';

/** A call as a client makes it. */
export interface ClientCall {
  readonly url: string;
  readonly key: string;
  readonly dialect: Dialect;
  readonly model: string;
  readonly prompt: string;
  readonly stream: boolean;
  /** Sent as `x-request-id`, found in the log. */
  readonly id: string;
  /** Hangs up after so many milliseconds. */
  readonly leaveAfterMs?: number | undefined;
  /** Hangs up after so many characters of text. */
  readonly leaveAfterText?: number | undefined;
}

/** What a client got. */
export interface ClientAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly reading: Reading;
  /** The body of an error answer, or the error event of a stream, as JSON. */
  readonly errorJson: Json;
  /** The answer came to its proper end on the level of HTTP. */
  readonly complete: boolean;
  /** Events of a stream that are no JSON. */
  readonly unreadable: number;
  /** Something followed an error event. */
  readonly afterError: boolean;
  /** Bytes that are no UTF-8 in a stream or body. */
  readonly isUtf8: boolean;
  /** Unix milliseconds at which the client hung up or had everything. */
  readonly overAt: number;
  readonly tookMs: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
/** A client that hears nothing for this long gives up; the cell has failed then. */
const PATIENCE_MS = 20_000;

interface Received {
  readonly chunks: Buffer[];
  head: IncomingMessage | undefined;
  complete: boolean;
}

function receive(call: ClientCall, got: Received): Promise<void> {
  const { path, body } = call.dialect.ask(call.model, call.prompt, call.stream);
  const text = JSON.stringify(body);
  const headers = {
    ...call.dialect.credential(call.key),
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-request-id': call.id,
  };
  return new Promise((resolve) => {
    const leave = (): void => {
      clearTimeout(timer);
      request.destroy();
      resolve();
    };
    const timer = setTimeout(leave, call.leaveAfterMs ?? PATIENCE_MS);
    const request = send(new URL(path, call.url), { method: 'POST', agent, headers }, (response) => {
      got.head = response;
      response.on('data', (chunk: Buffer) => {
        got.chunks.push(chunk);
        const { leaveAfterText } = call;
        if (leaveAfterText !== undefined && textOf(call.dialect, got.chunks).length >= leaveAfterText)
          leave();
      });
      response.on('error', leave);
      response.on('end', () => {
        got.complete = response.complete;
        clearTimeout(timer);
        resolve();
      });
    });
    request.on('error', leave);
    request.end(text);
  });
}

function textOf(dialect: Dialect, chunks: readonly Buffer[]): string {
  const reading = emptyReading();
  for (const event of parseSse(Buffer.concat(chunks).toString('utf8'))) dialect.readEvent(event, reading);
  return reading.text;
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readStream(dialect: Dialect, body: string) {
  const reading = emptyReading();
  let errorJson: Json;
  let unreadable = 0;
  let afterError = false;
  for (const event of parseSse(body)) {
    // Responses closes with `response.failed` after its `error` event.
    if (errorJson !== undefined && event.event !== 'response.failed') afterError = true;
    if (event.json === undefined && event.data !== '[DONE]') unreadable++;
    dialect.readEvent(event, reading);
    if (reading.error !== undefined && errorJson === undefined) errorJson = event.json;
  }
  return { reading, errorJson, unreadable, afterError };
}

/** Makes a call and reads what comes back, to the end or until it is time to leave. Never rejects. */
export async function callAs(call: ClientCall): Promise<ClientAnswer> {
  const got: Received = { chunks: [], head: undefined, complete: false };
  const startedAt = Date.now();
  await receive(call, got);
  const overAt = Date.now();
  const bytes = Buffer.concat(got.chunks);
  const body = bytes.toString('utf8');
  const status = got.head?.statusCode ?? 0;
  const facts = {
    status,
    headers: got.head?.headers ?? {},
    body,
    complete: got.complete,
    isUtf8: !body.includes('\ufffd'),
    overAt,
    tookMs: overAt - startedAt,
  };
  const isStream = (got.head?.headers['content-type'] ?? '').startsWith('text/event-stream');
  if (isStream) return { ...facts, ...readStream(call.dialect, body) };
  const json = parse(body);
  const reading = json === undefined || status !== 200 ? emptyReading() : call.dialect.readWhole(json);
  return { ...facts, reading, errorJson: json, unreadable: json === undefined ? 1 : 0, afterError: false };
}
