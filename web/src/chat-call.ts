/** What the test request is made of. */
export interface TestCall {
  readonly model: string;
  readonly prompt: string;
  readonly key: string | undefined;
  readonly signal: AbortSignal;
  readonly onText: (text: string) => void;
}

/** How the test request ended. */
export interface TestResult {
  readonly requestId: string | null;
  readonly provider: string | null;
  readonly milliseconds: number;
}

/** An error answer, in the gateway's own sentence. */
export class TestCallError extends Error {
  override readonly name = 'TestCallError';
  readonly requestId: string | null;

  constructor(sentence: string, requestId: string | null) {
    super(sentence);
    this.requestId = requestId;
  }
}

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly error?: { readonly message?: string };
}

/**
 * Sends one streamed chat completion through the gateway as any client would. No cookie goes along: the data plane knows
 * keys only. Throws {@link TestCallError} for an error answer or a stream that was cut.
 */
export async function sendTestCall(call: TestCall): Promise<TestResult> {
  const started = performance.now();
  const answer = await fetch('/v1/chat/completions', {
    method: 'POST',
    credentials: 'omit',
    signal: call.signal,
    headers: {
      'content-type': 'application/json',
      'x-sluice-tags': 'source=portal',
      ...(call.key === undefined ? {} : { authorization: `Bearer ${call.key}` }),
    },
    body: JSON.stringify({
      model: call.model,
      stream: true,
      messages: [{ role: 'user', content: call.prompt }],
    }),
  });
  const requestId = answer.headers.get('x-sluice-request-id');
  if (!answer.ok || answer.body === null) {
    const body = (await answer.json().catch(() => ({}))) as Chunk;
    throw new TestCallError(
      body.error?.message ?? `The gateway answered with HTTP ${answer.status}.`,
      requestId,
    );
  }
  const finished = await readStream(answer.body, call.onText, requestId);
  if (!finished) throw new TestCallError('The answer broke off before its end.', requestId);
  return {
    requestId,
    provider: answer.headers.get('x-sluice-provider'),
    milliseconds: performance.now() - started,
  };
}

/** Whether the stream came to its end. */
async function readStream(
  body: ReadableStream<Uint8Array>,
  onText: (text: string) => void,
  requestId: string | null,
): Promise<boolean> {
  const reader = body.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>).getReader();
  let rest = '';
  let finished = false;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const lines = (rest + read.value).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data:')) continue;
      const data = line.slice(5).trim();
      if (data === '[DONE]') {
        finished = true;
        continue;
      }
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error !== undefined)
        throw new TestCallError(chunk.error.message ?? 'The answer failed.', requestId);
      const text = chunk.choices?.[0]?.delta?.content;
      if (typeof text === 'string' && text !== '') onText(text);
    }
  }
  return finished;
}
