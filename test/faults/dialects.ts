/** A client's dialect: how it asks, and how its answers and errors are read. Written from the vendors' references, not from our codecs. */
export interface Dialect {
  readonly id: 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini';
  readonly title: string;
  ask(model: string, prompt: string, stream: boolean): { readonly path: string; readonly body: object };
  /** Header that carries the virtual key. */
  credential(key: string): Record<string, string>;
  readWhole(body: Json): Reading;
  readEvent(event: SseEvent, into: Reading): void;
  /** What is wrong with an error body or event of this dialect, or nothing. */
  faultOfError(body: Json, status: number): string | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: wire data is read leniently here, missing fields are the finding.
export type Json = any;

/** One event of a stream. */
export interface SseEvent {
  readonly event: string | undefined;
  readonly data: string;
  /** `undefined` where the data is not JSON. */
  readonly json: Json;
}

/** What a client understands of an answer. */
export interface Reading {
  text: string;
  /** A normal ending was seen: terminator or finish reason. */
  ended: boolean;
  error: Json;
  input: Json;
  output: Json;
}

export function emptyReading(): Reading {
  return { text: '', ended: false, error: undefined, input: undefined, output: undefined };
}

/** What every request allows for its answer. */
export const MAX_TOKENS = 1200;

const chat: Dialect = {
  id: 'openai-chat',
  title: 'OpenAI chat',
  ask: (model, prompt, stream) => ({
    path: '/v1/chat/completions',
    body: {
      model,
      stream,
      messages: [{ role: 'user', content: prompt }],
      max_tokens: MAX_TOKENS,
      ...(stream ? { stream_options: { include_usage: true } } : {}),
    },
  }),
  credential: (key) => ({ authorization: `Bearer ${key}` }),
  readWhole: (body) => ({
    text: body.choices?.[0]?.message?.content ?? '',
    ended: body.choices?.[0]?.finish_reason === 'stop',
    error: body.error,
    input: body.usage?.prompt_tokens,
    output: body.usage?.completion_tokens,
  }),
  readEvent({ data, json }, into) {
    if (data === '[DONE]') into.ended = true;
    if (json === undefined) return;
    into.text += json.choices?.[0]?.delta?.content ?? '';
    into.ended ||= typeof json.choices?.[0]?.finish_reason === 'string';
    into.error ??= json.error;
    into.input = json.usage?.prompt_tokens ?? into.input;
    into.output = json.usage?.completion_tokens ?? into.output;
  },
  faultOfError: (body) => {
    const error = body?.error;
    if (typeof error?.message !== 'string') return 'no error.message';
    if (typeof error.type !== 'string') return 'no error.type';
    return 'code' in error && 'param' in error ? undefined : 'no error.code or error.param';
  },
};

const responses: Dialect = {
  id: 'openai-responses',
  title: 'OpenAI responses',
  ask: (model, prompt, stream) => ({
    path: '/v1/responses',
    body: { model, stream, input: prompt, max_output_tokens: MAX_TOKENS, store: false },
  }),
  credential: chat.credential,
  readWhole: (body) => ({
    text: (body.output ?? [])
      .flatMap((item: Json) => item.content ?? [])
      .map((part: Json) => part.text ?? '')
      .join(''),
    ended: body.status === 'completed',
    error: body.error ?? undefined,
    input: body.usage?.input_tokens,
    output: body.usage?.output_tokens,
  }),
  readEvent({ json }, into) {
    if (json === undefined) return;
    if (json.type === 'response.output_text.delta') into.text += json.delta;
    if (json.type === 'response.completed' || json.type === 'response.incomplete') {
      into.ended = true;
      into.input = json.response?.usage?.input_tokens;
      into.output = json.response?.usage?.output_tokens;
    }
    if (json.type === 'response.failed') into.error ??= json.response?.error;
    if (json.type === 'error') into.error ??= json;
  },
  faultOfError: (body, status) => {
    if (status >= 400) return chat.faultOfError(body, status);
    return typeof (body?.message ?? body?.error?.message) === 'string' ? undefined : 'no message';
  },
};

const messages: Dialect = {
  id: 'anthropic-messages',
  title: 'Anthropic messages',
  ask: (model, prompt, stream) => ({
    path: '/v1/messages',
    body: { model, stream, max_tokens: MAX_TOKENS, messages: [{ role: 'user', content: prompt }] },
  }),
  credential: (key) => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),
  readWhole: (body) => ({
    text: (body.content ?? []).map((block: Json) => block.text ?? '').join(''),
    ended: body.stop_reason === 'end_turn',
    error: body.type === 'error' ? body.error : undefined,
    input: body.usage?.input_tokens,
    output: body.usage?.output_tokens,
  }),
  readEvent({ json }, into) {
    if (json === undefined) return;
    if (json.type === 'content_block_delta') into.text += json.delta?.text ?? '';
    if (json.type === 'message_stop' || typeof json.delta?.stop_reason === 'string') into.ended = true;
    if (json.type === 'error') into.error ??= json.error ?? {};
    const usage = json.message?.usage ?? json.usage;
    into.input = usage?.input_tokens ?? into.input;
    into.output = usage?.output_tokens ?? into.output;
  },
  faultOfError: (body) => {
    if (body?.type !== 'error') return 'no type "error"';
    return typeof body.error?.type === 'string' && typeof body.error?.message === 'string'
      ? undefined
      : 'no error.type or error.message';
  },
};

const gemini: Dialect = {
  id: 'gemini',
  title: 'Gemini',
  ask: (model, prompt, stream) => ({
    path: `/v1beta/models/${encodeURIComponent(model)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: {
      contents: [{ role: 'user', parts: [{ text: prompt }] }],
      generationConfig: { maxOutputTokens: MAX_TOKENS },
    },
  }),
  credential: (key) => ({ 'x-goog-api-key': key }),
  readWhole: (body) => {
    const reading = emptyReading();
    gemini.readEvent({ event: undefined, data: '', json: body }, reading);
    return reading;
  },
  readEvent({ json }, into) {
    if (json === undefined) return;
    const candidate = json.candidates?.[0];
    for (const part of candidate?.content?.parts ?? []) into.text += part.text ?? '';
    into.ended ||= typeof candidate?.finishReason === 'string';
    into.error ??= json.error;
    into.input = json.usageMetadata?.promptTokenCount ?? into.input;
    into.output = json.usageMetadata?.candidatesTokenCount ?? into.output;
  },
  faultOfError: (body) => {
    const error = body?.error;
    if (typeof error?.code !== 'number') return 'no error.code';
    return typeof error.message === 'string' && typeof error.status === 'string'
      ? undefined
      : 'no error.message or error.status';
  },
};

/** The four dialects of the matrix. */
export const DIALECTS: readonly Dialect[] = [chat, responses, messages, gemini];

/** The events of a stream as a careful client reads them (WHATWG HTML, server-sent events). */
export function parseSse(text: string): SseEvent[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r\n\r\n|\n\n|\r\r/)
    .flatMap((block) => {
      const lines = block.split(/\r\n|\n|\r/);
      const field = (name: string): string[] =>
        lines
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).replace(/^ /, ''));
      const data = field('data').join('\n');
      if (data === '') return [];
      let json: Json;
      try {
        json = JSON.parse(data);
      } catch {
        json = undefined;
      }
      return [{ event: field('event')[0], data, json }];
    });
}
