import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request the upstream got. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
  readonly text: string;
  /** Milliseconds after which the gateway hung up, when it did so before the answer's end. */
  closedEarlyAfterMs?: number;
}

/** What the upstream does with one request. */
export type Behaviour = (seen: SeenRequest, response: ServerResponse) => void | Promise<void>;

/** A real HTTP upstream whose answers a test writes. */
export interface TestUpstream {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** Behaviour for every request from now on. */
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
}

/** Starts one on a free loopback port. */
export async function startUpstream(behaviour: Behaviour): Promise<TestUpstream> {
  const seen: SeenRequest[] = [];
  let current = behaviour;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const started = performance.now();
      const entry: SeenRequest = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        text,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      };
      seen.push(entry);
      response.on('close', () => {
        if (!response.writableFinished) entry.closedEarlyAfterMs = performance.now() - started;
      });
      await current(entry, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    behave(next) {
      current = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** A JSON answer. */
export function json(status: number, body: object, headers: Record<string, string> = {}): Behaviour {
  return (_seen, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

/** A whole Chat answer. */
export function chatAnswer(
  text: string,
  usage = { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 },
): Behaviour {
  return (seen, response) =>
    json(200, {
      id: 'chatcmpl-up',
      object: 'chat.completion',
      created: 1,
      model: seen.body['model'],
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage,
    })(seen, response);
}

/** One Chat chunk as an SSE event. */
export function chatChunk(delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({
    id: 'chatcmpl-up',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'up',
    choices: [{ index: 0, delta, finish_reason: finish }],
  })}\n\n`;
}

/** The usage chunk and terminator of a Chat stream. */
export const CHAT_END = `data: ${JSON.stringify({
  id: 'chatcmpl-up',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'up',
  choices: [],
  usage: { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 },
})}\n\ndata: [DONE]\n\n`;

/** Starts an SSE answer and hands over a writer. */
export function sse(
  write: (send: (text: string) => void, response: ServerResponse) => void | Promise<void>,
): Behaviour {
  return async (_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    await write((text) => response.write(text), response);
  };
}
