import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as it went to an upstream and came back. */
export interface Recorded {
  readonly path: string;
  readonly request: string;
  readonly status: number;
  readonly response: Buffer;
}

/** A relay in front of an upstream that keeps what passes. */
export interface Recorder {
  readonly url: string;
  /** Takes the calls whose path or body holds a mark, oldest first, and forgets them. */
  take(mark: string): readonly Recorded[];
  close(): Promise<void>;
}

/** Starts one on a free loopback port. */
export async function startRecorder(upstream: string): Promise<Recorder> {
  let kept: Recorded[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = request.url ?? '/';
    const onward = send(
      new URL(path, upstream),
      { method: request.method, headers: { ...request.headers, host: new URL(upstream).host } },
      async (answer) => {
        const pieces: Buffer[] = [];
        for await (const piece of answer) pieces.push(piece as Buffer);
        const bytes = Buffer.concat(pieces);
        const status = answer.statusCode ?? 502;
        kept.push({ path, request: body.toString('utf8'), status, response: bytes });
        response.writeHead(status, answer.headers);
        response.end(bytes);
      },
    );
    onward.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    take(mark) {
      const mine = kept.filter(({ path, request }) =>
        `${decodeURIComponent(path)} ${request}`.includes(mark),
      );
      kept = kept.filter((entry) => !mine.includes(entry));
      return mine;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
