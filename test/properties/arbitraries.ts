import fc from 'fast-check';
import type {
  CacheMark,
  ChatRequest,
  ChatResponse,
  Choice,
  FunctionTool,
  Json,
  Message,
  OutputPart,
  OutputShape,
  ReasoningPart,
  Sampling,
  Signature,
  TextPart,
  Tool,
  ToolCallPart,
  ToolChoice,
  ToolResultPart,
  Usage,
} from '../../src/core/model/index.ts';

/*
 * Canonical requests and answers for property tests of any codec. They are in normal form: what every format can say in one
 * way only (no empty texts, no neighbouring texts, reasoning before text before calls, results right after their calls).
 * A codec's test narrows them further by `Reach`, so that decode∘encode must be the identity.
 */

/** What the format under test can say; everything off by default. */
export interface Reach {
  /** Whose signatures reasoning may carry; absent: reasoning parts are left out of requests. */
  readonly issuer?: Signature['issuer'];
  /** Tool calls may carry a signature of the issuer. */
  readonly callSignatures?: boolean;
  /** Redacted reasoning. */
  readonly redacted?: boolean;
  /** Reasoning without a signature in answers. */
  readonly plainReasoning?: boolean;
  readonly refusals?: boolean;
  readonly customTools?: boolean;
  readonly cache?: boolean;
  readonly names?: boolean;
  readonly strictTools?: boolean;
  /** System messages after the first turn. */
  readonly systemAnywhere?: boolean;
  readonly images?: boolean;
  readonly sampling?: readonly (keyof Sampling)[];
  readonly shapes?: readonly OutputShape['type'][];
  readonly choices?: readonly ToolChoice['type'][];
  readonly stop?: boolean;
  /** More than one answer. */
  readonly many?: boolean;
  readonly logprobs?: boolean;
  readonly errors?: boolean;
  readonly usage?: readonly (keyof Usage)[];
}

/** Well-formed text with astral characters, quotes and line breaks; not blank: vendors refuse such texts, so they are left out. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((text) => text.isWellFormed() && text.trim() !== ''),
  fc.constantFrom(
    'plain words',
    '"quoted" \\ back\u0000slash',
    'line\r\nbreaks\u2028\u2029',
    '😀👩‍👩‍👧 ﷽',
    'data: [DONE]',
  ),
);

/** Names of tools and schemas. */
export const names: fc.Arbitrary<string> = fc.stringMatching(/^[a-z][a-z0-9_]{0,15}$/);

/** Ids that every format takes as they are. */
export const callIdValues: fc.Arbitrary<string> = fc.stringMatching(/^call_[A-Za-z0-9]{6,20}$/);

const base64 = fc
  .uint8Array({ minLength: 1, maxLength: 60 })
  .map((bytes) => Buffer.from(bytes).toString('base64'));

/** JSON text of an object, as a model writes arguments. */
export const argumentTexts: fc.Arbitrary<string> = fc
  .dictionary(names, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .map((value) => JSON.stringify(value));

function optional<Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

/** Without the keys that are `undefined`, as the codecs build their values. */
function dense<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as Value;
}

function only<Value>(
  allowed: boolean | undefined,
  arbitrary: fc.Arbitrary<Value>,
): fc.Arbitrary<Value | undefined> {
  return allowed === true ? optional(arbitrary) : fc.constant(undefined);
}

const marks: fc.Arbitrary<CacheMark> = fc.constantFrom({ ttl: '5m' }, { ttl: '1h' });

function textParts(reach: Reach): fc.Arbitrary<TextPart> {
  return fc
    .record({ type: fc.constant('text' as const), text: texts, cache: only(reach.cache, marks) })
    .map((part) => dense(part) as TextPart);
}

function promptParts(reach: Reach): fc.Arbitrary<Message['parts']> {
  if (reach.images !== true) return fc.array(textParts(reach), { minLength: 1, maxLength: 2 });
  const image = base64.map((data) => ({
    type: 'image' as const,
    source: { kind: 'base64' as const, mediaType: 'image/png', data },
  }));
  return fc.array(fc.oneof(textParts(reach), image), { minLength: 1, maxLength: 3 });
}

function signatures(reach: Reach): fc.Arbitrary<Signature> {
  return base64.map((value) => ({ issuer: reach.issuer ?? 'other', value }));
}

function reasonings(reach: Reach): fc.Arbitrary<ReasoningPart[]> {
  const signed = fc
    .record({ type: fc.constant('reasoning' as const), text: texts, signature: signatures(reach) })
    .map((part) => part as ReasoningPart);
  const redacted = base64.map((data): ReasoningPart => ({ type: 'reasoning', text: '', redacted: data }));
  const plain = texts.map((text): ReasoningPart => ({ type: 'reasoning', text }));
  const kinds: fc.Arbitrary<ReasoningPart[]>[] = [fc.constant([])];
  if (reach.issuer !== undefined) {
    kinds.push(
      fc.array(reach.redacted ? fc.oneof(signed, redacted) : signed, { minLength: 1, maxLength: 2 }),
    );
  }
  if (reach.plainReasoning) kinds.push(plain.map((part) => [part]));
  return fc.oneof(...kinds);
}

function calls(reach: Reach, tools: readonly Tool[]): fc.Arbitrary<ToolCallPart[]> {
  const usable = tools.filter((tool) => tool.type !== 'server');
  if (usable.length === 0) return fc.constant([]);
  const one = fc.constantFrom(...usable).chain((tool) =>
    fc.record({
      type: fc.constant('tool_call' as const),
      id: callIdValues,
      name: fc.constant(tool.name),
      arguments: tool.type === 'custom' ? texts : argumentTexts,
      kind: fc.constant(tool.type),
      signature: only(reach.callSignatures, signatures(reach)),
    }),
  );
  return fc
    .uniqueArray(one, { selector: (call) => call.id, maxLength: 3 })
    .map((list) => list.map((call) => dense(call) as ToolCallPart));
}

/** Function tools, and custom ones where the format has them; names are unique. */
export function tools(reach: Reach = {}): fc.Arbitrary<Tool[]> {
  const parameters = fc.dictionary(names, fc.constantFrom({ type: 'string' }, { type: 'integer' }), {
    maxKeys: 3,
  });
  const functions = fc
    .record({
      type: fc.constant('function' as const),
      name: names,
      description: optional(texts),
      parameters: parameters.map((properties) => ({ type: 'object', properties })),
      strict: only(reach.strictTools, fc.boolean()),
      cache: only(reach.cache, marks),
    })
    .map((tool) => dense(tool) as FunctionTool);
  const custom = fc
    .record({ type: fc.constant('custom' as const), name: names, description: optional(texts) })
    .map((tool) => dense(tool) as Tool);
  return fc.uniqueArray<Tool, string>(reach.customTools ? fc.oneof(functions, custom) : functions, {
    selector: (tool) => (tool.type === 'server' ? tool.label : tool.name),
    maxLength: 3,
  });
}

function results(reach: Reach, asked: readonly ToolCallPart[]): fc.Arbitrary<ToolResultPart[]> {
  return fc.tuple(
    ...asked.map((call) =>
      fc.record({ text: texts, isError: only(reach.errors, fc.constant(true)) }).map(
        ({ text, isError }): ToolResultPart => ({
          type: 'tool_result',
          callId: call.id,
          name: call.name,
          kind: call.kind,
          content: [{ type: 'text', text }],
          ...(isError === undefined ? {} : { isError }),
        }),
      ),
    ),
  );
}

/** A user's turn, the model's turn, and the results if it asked for tools. */
function rounds(reach: Reach, available: readonly Tool[]): fc.Arbitrary<Message[]> {
  const user = fc
    .record({ role: fc.constant('user' as const), parts: promptParts(reach), name: only(reach.names, names) })
    .map((message) => dense(message) as Message);
  const assistant = fc
    .tuple(reasonings(reach), optional(texts), calls(reach, available))
    .map(([thoughts, text, asked]): Message => {
      const words: TextPart[] =
        text === undefined && asked.length > 0 ? [] : [{ type: 'text', text: text ?? 'ok' }];
      return { role: 'assistant', parts: [...thoughts, ...words, ...asked] };
    });
  return fc.tuple(user, assistant).chain(([question, answer]) => {
    const asked = answer.parts.filter((part) => part.type === 'tool_call');
    if (asked.length === 0) return fc.constant([question, answer]);
    // The model speaks after the results, so that no user turn follows them directly.
    return results(reach, asked).map((parts): Message[] => [
      question,
      answer,
      { role: 'user', parts },
      { role: 'assistant', parts: [{ type: 'text', text: 'noted' }] },
    ]);
  });
}

function conversations(reach: Reach, available: readonly Tool[]): fc.Arbitrary<Message[]> {
  const system = texts.map((text): Message => ({ role: 'system', parts: [{ type: 'text', text }] }));
  const last = promptParts(reach).map((parts): Message => ({ role: 'user', parts }));
  return fc
    .tuple(fc.array(system, { maxLength: 1 }), fc.array(rounds(reach, available), { maxLength: 3 }), last)
    .map(([head, body, end]) => {
      const seen = new Set<string>();
      // Ids are unique within a conversation; a round that repeats one is left out.
      const kept = body.filter((round) => {
        const ids = round.flatMap((message) =>
          message.parts.flatMap((part) => (part.type === 'tool_call' ? [part.id] : [])),
        );
        if (ids.some((id) => seen.has(id))) return false;
        for (const id of ids) seen.add(id);
        return true;
      });
      const middle = reach.systemAnywhere === true && kept.length > 1 ? head : [];
      return [...head, ...(kept[0] ?? []), ...middle, ...kept.slice(1).flat(), end];
    });
}

function samplings(reach: Reach): fc.Arbitrary<Sampling> {
  const share = fc.integer({ min: 0, max: 100 }).map((value) => value / 100);
  const all = fc.record({
    temperature: optional(share),
    topP: optional(share),
    topK: optional(fc.integer({ min: 1, max: 100 })),
    seed: optional(fc.integer({ min: 0, max: 2 ** 31 })),
    frequencyPenalty: optional(share),
    presencePenalty: optional(share),
    logitBias: optional(fc.constant({ '50256': -100 })),
    logprobs: optional(fc.constant(true)),
    topLogprobs: optional(fc.integer({ min: 0, max: 5 })),
  });
  return all.map((sampling) => {
    const kept = Object.entries(dense(sampling)).filter(([key]) =>
      (reach.sampling ?? []).includes(key as keyof Sampling),
    );
    return Object.fromEntries(kept) as Sampling;
  });
}

function shapes(reach: Reach): fc.Arbitrary<OutputShape> {
  const all: readonly fc.Arbitrary<OutputShape>[] = [
    fc.constant({ type: 'text' }),
    fc.constant({ type: 'json_object' }),
    names.map((name) => ({
      type: 'json_schema',
      name,
      schema: { type: 'object', properties: { [name]: { type: 'string' } } },
      strict: true,
    })),
  ];
  const order = ['text', 'json_object', 'json_schema'] as const;
  return fc.oneof(...all.filter((_, i) => (reach.shapes ?? ['text']).includes(order[i] ?? 'text')));
}

function toolChoices(reach: Reach, available: readonly Tool[]): fc.Arbitrary<ToolChoice | undefined> {
  const first = available[0];
  if (first === undefined || first.type === 'server') return fc.constant(undefined);
  const kind = first.type === 'custom' ? { kind: 'custom' as const } : {};
  const all: readonly ToolChoice[] = [
    { type: 'auto' },
    { type: 'none' },
    { type: 'required' },
    { type: 'tool', name: first.name, ...kind },
    { type: 'allowed', names: [first.name], required: true },
  ];
  return optional(
    fc.constantFrom(...all.filter((choice) => (reach.choices ?? ['auto']).includes(choice.type))),
  );
}

/** A request in normal form, within the format's reach. */
export function chatRequests(reach: Reach = {}): fc.Arbitrary<ChatRequest> {
  return tools(reach).chain((available) =>
    fc
      .record({
        model: names,
        messages: conversations(reach, available),
        tools: fc.constant(available),
        toolChoice: toolChoices(reach, available),
        sampling: samplings(reach),
        maxOutputTokens: optional(fc.integer({ min: 16, max: 4096 })),
        stop: only(reach.stop, fc.array(names, { minLength: 1, maxLength: 4 })),
        output: shapes(reach),
        stream: fc.boolean(),
        includeUsage: fc.constant(false),
      })
      .map((request) => dense(request) as ChatRequest),
  );
}

const counts = fc.integer({ min: 0, max: 1_000_000 });

function usages(reach: Reach): fc.Arbitrary<Usage> {
  const zero: Usage = {
    input: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: 0,
    reasoning: 0,
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
  };
  const keys = reach.usage ?? ['input', 'output'];
  return fc.array(counts, { minLength: keys.length, maxLength: keys.length }).map((values) => {
    const usage = { ...zero, ...Object.fromEntries(keys.map((key, i) => [key, values[i] ?? 0])) } as Usage;
    return { ...usage, reasoning: Math.min(usage.reasoning, usage.output) };
  });
}

function outputs(reach: Reach, available: readonly Tool[]): fc.Arbitrary<OutputPart[]> {
  const refusal = texts.map((text): OutputPart[] => [{ type: 'refusal', text }]);
  const usual = fc
    .tuple(reasonings(reach), optional(texts), calls(reach, available))
    .map(([thoughts, text, asked]): OutputPart[] => [
      ...thoughts,
      ...(text === undefined ? [] : [{ type: 'text', text } as const]),
      ...asked,
    ]);
  return reach.refusals ? fc.oneof({ weight: 5, arbitrary: usual }, refusal) : usual;
}

function choicesOf(reach: Reach, available: readonly Tool[], index: number): fc.Arbitrary<Choice> {
  return outputs(reach, available).chain((parts) => {
    const asked = parts.some((part) => part.type === 'tool_call');
    const refused = parts.some((part) => part.type === 'refusal');
    const reasons = refused
      ? (['refusal'] as const)
      : asked
        ? (['tool_calls', 'length'] as const)
        : (['stop', 'length', 'content_filter'] as const);
    const logprobs = fc.constant<Json>({
      content: [{ token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [] }],
      refusal: null,
    });
    return fc
      .record({
        index: fc.constant(index),
        parts: fc.constant(parts),
        finish: fc.constantFrom(...reasons).map((reason) => ({ reason })),
        logprobs: only(reach.logprobs, logprobs),
      })
      .map((choice) => dense(choice) as Choice);
  });
}

/** A whole answer in normal form, with the tools that its calls name. */
export function chatResponses(reach: Reach = {}): fc.Arbitrary<ChatResponse> {
  return tools({ customTools: reach.customTools ?? false }).chain((available) =>
    fc
      .record({
        id: names,
        model: names,
        created: fc.integer({ min: 1, max: 2_000_000_000 }),
        choices: fc
          .integer({ min: 1, max: reach.many === true ? 3 : 1 })
          .chain((many) =>
            fc.tuple(...Array.from({ length: many }, (_, i) => choicesOf(reach, available, i))),
          ),
        usage: usages(reach),
      })
      .map((response) => response as ChatResponse),
  );
}

/** A value without the vendors' own words, which only a trip over the wire adds. */
export function withoutRaw(response: ChatResponse): ChatResponse {
  const { raw: _, terms: __, ...usage } = response.usage;
  const choices = response.choices.map((choice) => ({ ...choice, finish: { reason: choice.finish.reason } }));
  return { ...response, choices, usage };
}
