// The bytes of requests and answers. Built once: neither the upstream nor the load generator works per request.

/** The model's name, everywhere. */
export const MODEL = 'bench-model';

const WORDS =
  'The harbour office keeps a list of every ship that came in last night, with cargo, draught and berth. ';

function fill(bytes: number): string {
  return WORDS.repeat(Math.ceil(bytes / WORDS.length)).slice(0, bytes);
}

/** What paced requests carry, so that the upstream can tell them apart: a number of eight digits after the mark. */
export const MARK = 'bench-';
export const MARK_DIGITS = 8;

/** A chat request of about `bytes` bytes, as an SDK writes it. */
export function requestBody(
  bytes: number,
  { model, stream }: { readonly model: string; readonly stream: boolean },
): string {
  const body = (content: string) =>
    JSON.stringify({
      model,
      messages: [
        { role: 'system', content: 'You answer in two sentences.' },
        { role: 'user', content },
      ],
      temperature: 0.2,
      max_tokens: 256,
      ...(stream ? { stream: true } : {}),
      user: MARK + '0'.repeat(MARK_DIGITS),
    });
  return body(fill(Math.max(0, bytes - body('').length)));
}

/** A whole HTTP/1.1 request. */
export function requestBytes(port: number, key: string, body: string): Buffer {
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: 127.0.0.1:${port}`,
    `authorization: Bearer ${key}`,
    'content-type: application/json',
    'accept: application/json',
    'user-agent: bench/1',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}

const USAGE = { prompt_tokens: 120, completion_tokens: 200, total_tokens: 320 };

/** A whole answer whose body has about 1.2 KB. */
export function wholeAnswer(): Buffer {
  const body = (content: string) =>
    JSON.stringify({
      id: 'chatcmpl-BqT4Yp7ZkWm2VhXc9LrDfGsN8aJu',
      object: 'chat.completion',
      created: 1_760_000_000,
      model: MODEL,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: USAGE,
      system_fingerprint: 'fp_4c7b91d2a0',
    });
  const text = body(fill(1200 - body('').length));
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\nx-request-id: req_bench\r\n\r\n`;
  return Buffer.from(head + text);
}

function chunk(data: string): Buffer {
  const event = `data: ${data}\n\n`;
  return Buffer.from(`${event.length.toString(16)}\r\n${event}\r\n`);
}

function delta(fields: object, rest: object = {}): string {
  return JSON.stringify({
    id: 'chatcmpl-BqT4Yp7ZkWm2VhXc9LrDfGsN8aJu',
    object: 'chat.completion.chunk',
    created: 1_760_000_000,
    model: MODEL,
    system_fingerprint: 'fp_4c7b91d2a0',
    choices: [{ index: 0, delta: fields, logprobs: null, finish_reason: null, ...rest }],
  });
}

/** A stream of `events` events, its head and each event as a chunk of its own: one socket write each. */
export function streamAnswer(events: number): Buffer[] {
  const chunks = [
    Buffer.from('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'),
    chunk(delta({ role: 'assistant', content: '' })),
  ];
  for (let index = 3; index < events; index++) chunks.push(chunk(delta({ content: ' harbour' })));
  chunks.push(chunk(delta({}, { finish_reason: 'stop' })));
  chunks.push(
    chunk(
      JSON.stringify({
        id: 'chatcmpl-BqT4Yp7ZkWm2VhXc9LrDfGsN8aJu',
        object: 'chat.completion.chunk',
        created: 1_760_000_000,
        model: MODEL,
        choices: [],
        usage: USAGE,
      }),
    ),
  );
  chunks.push(Buffer.concat([chunk('[DONE]'), Buffer.from('0\r\n\r\n')]));
  return chunks;
}
