/** The formats the simulated providers speak; the same two are the clients' dialects. */
export type Dialect = 'openai-chat' | 'anthropic-messages';

/** What a provider is about to say. */
export interface Speech {
  readonly dialect: Dialect;
  readonly model: string;
  readonly call: number;
  readonly words: readonly string[];
  /** Exactly what stands under `usage`; absent: nothing does. */
  readonly usage: SpokenUsage | undefined;
}

/** Usage in neutral words; values are whatever the provider claims. */
export interface SpokenUsage {
  readonly input: unknown;
  readonly output: unknown;
}

function usageOf(speech: Speech): object {
  const { usage, dialect } = speech;
  if (usage === undefined) return {};
  if (dialect === 'openai-chat') {
    const total = Number(usage.input) + Number(usage.output);
    return {
      usage: { prompt_tokens: usage.input, completion_tokens: usage.output, total_tokens: total },
    };
  }
  return { usage: { input_tokens: usage.input, output_tokens: usage.output } };
}

/** A whole answer. */
export function wholeAnswer(speech: Speech): string {
  const { dialect, model, call, words } = speech;
  if (dialect === 'openai-chat') {
    return JSON.stringify({
      id: `chatcmpl-${call}`,
      object: 'chat.completion',
      created: 1_790_000_000,
      model,
      choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }],
      ...usageOf(speech),
    });
  }
  return JSON.stringify({
    id: `msg_${call}`,
    type: 'message',
    role: 'assistant',
    model,
    content: [{ type: 'text', text: words.join('') }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    ...usageOf(speech),
  });
}

/** One event of a stream and what it is. */
export interface Event {
  readonly kind: 'lifecycle' | 'content' | 'ending';
  readonly text: string;
}

function chatEvents(speech: Speech): Event[] {
  const { model, call, words } = speech;
  const chunk = (choices: unknown[], more: object = {}): string =>
    `data: ${JSON.stringify({ id: `chatcmpl-${call}`, object: 'chat.completion.chunk', created: 1_790_000_000, model, choices, ...more })}\n\n`;
  const delta = (fields: object, finish: string | null = null): unknown[] => [
    { index: 0, delta: fields, finish_reason: finish },
  ];
  return [
    { kind: 'lifecycle', text: chunk(delta({ role: 'assistant', content: '' })) },
    ...words.map((word): Event => ({ kind: 'content', text: chunk(delta({ content: word })) })),
    { kind: 'ending', text: chunk(delta({}, 'stop')) },
    ...(speech.usage === undefined
      ? []
      : [{ kind: 'ending', text: chunk([], usageOf(speech)) } satisfies Event]),
    { kind: 'ending', text: 'data: [DONE]\n\n' },
  ];
}

function messageEvents(speech: Speech): Event[] {
  const { model, call, words, usage } = speech;
  const event = (data: { readonly type: string } & object): string =>
    `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const start = {
    type: 'message_start',
    message: {
      id: `msg_${call}`,
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      ...(usage === undefined ? {} : { usage: { input_tokens: usage.input, output_tokens: 1 } }),
    },
  };
  const last = {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    ...(usage === undefined ? {} : { usage: { output_tokens: usage.output } }),
  };
  return [
    { kind: 'lifecycle', text: event(start) },
    {
      kind: 'lifecycle',
      text: event({
        type: 'content_block_start',
        ...{ index: 0, content_block: { type: 'text', text: '' } },
      }),
    },
    ...words.map(
      (text): Event => ({
        kind: 'content',
        text: event({ type: 'content_block_delta', ...{ index: 0, delta: { type: 'text_delta', text } } }),
      }),
    ),
    { kind: 'ending', text: event({ type: 'content_block_stop', ...{ index: 0 } }) },
    { kind: 'ending', text: event(last) },
    { kind: 'ending', text: event({ type: 'message_stop' }) },
  ];
}

/** The events of a stream, in order. */
export function streamEvents(speech: Speech): Event[] {
  return speech.dialect === 'openai-chat' ? chatEvents(speech) : messageEvents(speech);
}

/** Signs of life without content. */
export function ping(dialect: Dialect): string {
  return dialect === 'openai-chat' ? ': still here\n\n' : 'event: ping\ndata: {"type":"ping"}\n\n';
}

/** An error as the provider words it, inside a stream or as a body. */
export function errorBody(dialect: Dialect, type: string): object {
  const message = 'Something is wrong on this side.';
  return dialect === 'openai-chat'
    ? { error: { message, type, param: null, code: null } }
    : { type: 'error', error: { type, message } };
}

/** The error as an event of a stream. */
export function errorEvent(dialect: Dialect): string {
  const data = JSON.stringify(
    errorBody(dialect, dialect === 'openai-chat' ? 'server_error' : 'overloaded_error'),
  );
  return dialect === 'openai-chat' ? `data: ${data}\n\n` : `event: error\ndata: ${data}\n\n`;
}

/** A client's request. The mark comes back in what providers are sent, however it was translated. */
export function requestBody(
  dialect: Dialect,
  asked: {
    readonly mark: number;
    readonly model: string;
    readonly stream: boolean;
    readonly maxTokens: number | undefined;
    readonly padding: number;
    readonly includeUsage: boolean;
  },
): string {
  const { mark, model, stream, maxTokens, padding, includeUsage } = asked;
  const content = `[[${mark}]] ${'tell me more, '.repeat(padding)}`;
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content }],
    ...(stream ? { stream } : {}),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(includeUsage && stream && dialect === 'openai-chat'
      ? { stream_options: { include_usage: true } }
      : {}),
  });
}

/** One token, told from those of every other call. Four bytes, as the gateway's own estimate takes a token for. */
export function wordOf(call: number, index: number): string {
  return `${call.toString(36).padStart(2, '0')}${(index % 36).toString(36)} `;
}

/** What a provider counts as the prompt: the words, however they are wrapped. */
export function promptOf(body: string): string {
  return /\[\[\d+\]\][^"]*/.exec(body)?.[0] ?? '';
}

/** The mark of the client's request inside a body. */
export function markOf(body: string): number {
  return Number(/\[\[(\d+)\]\]/.exec(body)?.[1] ?? -1);
}
