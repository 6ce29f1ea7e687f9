import { Agent, request as send } from 'node:http';

/** A client's call in its dialect, as bytes. */
export interface DialectCall {
  readonly dialect: string;
  /** The model name for the gateway. */
  readonly model: string;
  readonly stream: boolean;
  readonly body: Readonly<Record<string, unknown>>;
  /** Sent as the client's own key. */
  readonly credential: string;
}

/** What came back. */
export interface DialectReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly bytes: Buffer;
}

const PATHS: Readonly<Record<string, string>> = {
  'openai-chat': '/v1/chat/completions',
  'openai-responses': '/v1/responses',
  'anthropic-messages': '/v1/messages',
};

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/** Where a call goes and with what body: Gemini has model and stream flag in the path. */
function addressed(call: DialectCall): { path: string; body: Record<string, unknown> } {
  const { dialect, model, stream, body } = call;
  if (dialect === 'gemini') {
    const verb = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
    return { path: `/v1beta/models/${encodeURIComponent(model)}:${verb}`, body };
  }
  const path = PATHS[dialect];
  if (path === undefined) throw new Error(`no path for ${dialect}`);
  const options = dialect === 'openai-chat' && stream ? { stream_options: { include_usage: true } } : {};
  const { stream_options: _, ...rest } = body;
  return { path, body: { ...rest, model, stream, ...options } };
}

/** Sends a call and reads everything that comes back. Rejects when the connection breaks before the answer's end. */
export function callGateway(url: string, call: DialectCall): Promise<DialectReply> {
  const { path, body } = addressed(call);
  const text = JSON.stringify(body);
  const key =
    call.dialect === 'anthropic-messages'
      ? { 'x-api-key': call.credential, 'anthropic-version': '2023-06-01' }
      : call.dialect === 'gemini'
        ? { 'x-goog-api-key': call.credential }
        : { authorization: `Bearer ${call.credential}` };
  return new Promise((resolve, reject) => {
    const request = send(
      new URL(path, url),
      {
        method: 'POST',
        agent,
        headers: { ...key, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            bytes: Buffer.concat(chunks),
          }),
        );
      },
    );
    request.on('error', reject);
    request.end(text);
  });
}

/** Runs `work` over a list, so many at a time, in order. */
export async function eachOf<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}
