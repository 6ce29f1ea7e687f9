import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request a provider got. */
export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  /** The JSON body, or an empty object. */
  readonly body: Readonly<Record<string, unknown>>;
}

export type Answerer = (got: Got, response: ServerResponse) => void | Promise<void>;

/** A provider of everything but chat, on a loopback port. */
export interface OperationsUpstream {
  readonly url: string;
  readonly got: Got[];
  /** Answers every path from now on; `undefined` brings the usual answers back. */
  behave(answerer: Answerer | undefined): void;
  close(): Promise<void>;
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function base64Of(vector: readonly number[]): string {
  return Buffer.from(new Float32Array(vector).buffer).toString('base64');
}

function embeddings({ body }: Got, response: ServerResponse): void {
  const inputs = Array.isArray(body['input']) ? body['input'] : [body['input']];
  const list = inputs.every((entry) => typeof entry === 'number') ? [inputs] : inputs;
  const vector = (index: number) => [index + 0.5, 0.25];
  sendJson(response, 200, {
    object: 'list',
    model: body['model'],
    data: list.map((_, index) => ({
      object: 'embedding',
      index,
      embedding: body['encoding_format'] === 'base64' ? base64Of(vector(index)) : vector(index),
    })),
    usage: { prompt_tokens: 8, total_tokens: 8 },
  });
}

const USUAL: Readonly<Record<string, Answerer>> = {
  'POST /v1/embeddings': embeddings,
  'POST /v1/moderations': (_got, response) =>
    sendJson(response, 200, { id: 'modr-1', model: 'omni', results: [{ flagged: false }] }),
  'POST /v1/images/generations': ({ body }, response) =>
    sendJson(response, 200, {
      created: 1,
      data: Array.from({ length: Number(body['n'] ?? 1) }, () => ({ b64_json: 'AAAA' })),
      usage: { input_tokens: 10, output_tokens: 100, total_tokens: 110 },
    }),
  'POST /v1/audio/speech': (_got, response) => {
    response.writeHead(200, { 'content-type': 'audio/mpeg' });
    response.write(Buffer.alloc(5000, 7));
    response.end(Buffer.alloc(5000, 9));
  },
  'POST /v1/audio/transcriptions': (_got, response) =>
    sendJson(response, 200, {
      text: 'hello there',
      usage: {
        type: 'tokens',
        input_tokens: 14,
        input_token_details: { text_tokens: 4, audio_tokens: 10 },
        output_tokens: 5,
        total_tokens: 19,
      },
    }),
  'POST /v1/files': (_got, response) =>
    sendJson(response, 200, {
      id: 'file-abc',
      object: 'file',
      bytes: 4,
      filename: 'a.jsonl',
      purpose: 'batch',
    }),
  'GET /v1/files': (_got, response) =>
    sendJson(response, 200, { object: 'list', data: [{ id: 'file-abc' }] }),
  'GET /v1/files/file-abc': (_got, response) =>
    sendJson(response, 200, { id: 'file-abc', object: 'file', filename: 'a.jsonl', purpose: 'batch' }),
  'GET /v1/files/file-abc/content': (_got, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.end('data');
  },
  'DELETE /v1/files/file-abc': (_got, response) =>
    sendJson(response, 200, { id: 'file-abc', object: 'file', deleted: true }),
  'POST /v1/batches': ({ body }, response) =>
    sendJson(response, 200, {
      id: 'batch_1',
      object: 'batch',
      input_file_id: body['input_file_id'],
      output_file_id: null,
      status: 'validating',
    }),
  'GET /v1/batches/batch_1': (_got, response) =>
    sendJson(response, 200, {
      id: 'batch_1',
      object: 'batch',
      output_file_id: 'file-out',
      status: 'completed',
    }),
  'POST /v1beta/models/gemini-embedding-001:batchEmbedContents': ({ body }, response) => {
    const requests = body['requests'] as unknown[];
    sendJson(response, 200, { embeddings: requests.map((_, index) => ({ values: [index + 0.5, 0.25] })) });
  },
  'POST /v2/embed': ({ body }, response) =>
    sendJson(response, 200, {
      id: 'e',
      embeddings: { float: (body['texts'] as string[]).map((_, index) => [index + 0.5, 0.25]) },
      meta: { billed_units: { input_tokens: 6 } },
    }),
  'POST /v2/rerank': (_got, response) =>
    sendJson(response, 200, {
      id: 'r',
      results: [
        { index: 1, relevance_score: 0.9 },
        { index: 0, relevance_score: 0.1 },
      ],
      meta: { billed_units: { search_units: 1 } },
    }),
  'POST /v1/chat/completions': ({ body }, response) =>
    sendJson(response, 200, {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: body['model'],
      choices: [{ index: 0, message: { role: 'assistant', content: 'Once more' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 },
    }),
};

/** Starts one. */
export async function startOperationsUpstream(): Promise<OperationsUpstream> {
  const got: Got[] = [];
  let own: Answerer | undefined;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const isJson =
      request.headers['content-type']?.startsWith('application/json') === true && bytes.length > 0;
    const seen: Got = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      bytes,
      body: isJson ? (JSON.parse(bytes.toString('utf8')) as Record<string, unknown>) : {},
    };
    got.push(seen);
    const [path] = seen.path.split('?', 1);
    const usual = USUAL[`${seen.method} ${path}`];
    const answerer = own ?? usual;
    if (answerer === undefined)
      sendJson(response, 404, { error: { message: 'no such path', type: 'invalid' } });
    else await answerer(seen, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    got,
    behave(answerer) {
      own = answerer;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
