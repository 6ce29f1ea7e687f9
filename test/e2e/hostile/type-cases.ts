import { ACROSS, type Case, OPERATIONS, SAME, type Target } from './case.ts';

/*
 * Written from the vendors' references, not from the gateway's own table: one line a field, with what it may be. A path may
 * go through lists: `messages[0].role`.
 */

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  string: ['text'],
  number: [5],
  boolean: [true],
  array: [[1]],
  object: [{ a: 1 }],
};

type Fields = Readonly<Record<string, string>>;

const CHAT: Fields = {
  model: 'string',
  messages: 'array',
  'messages[0]': 'object',
  'messages[0].role': 'string',
  'messages[0].content': 'string array',
  temperature: 'number',
  top_p: 'number',
  seed: 'number',
  frequency_penalty: 'number',
  presence_penalty: 'number',
  logit_bias: 'object',
  logprobs: 'boolean number',
  top_logprobs: 'number',
  max_tokens: 'number',
  max_completion_tokens: 'number',
  n: 'number',
  stop: 'string array',
  'stop[0]': 'string',
  stream: 'boolean',
  stream_options: 'object',
  'stream_options.include_usage': 'boolean',
  tools: 'array',
  'tools[0]': 'object',
  'tools[0].function': 'object',
  'tools[0].function.name': 'string',
  tool_choice: 'string object',
  parallel_tool_calls: 'boolean',
  response_format: 'object',
  reasoning_effort: 'string',
  user: 'string',
  metadata: 'object',
  service_tier: 'string',
  store: 'boolean',
};

const RESPONSES: Fields = {
  model: 'string',
  input: 'string array',
  'input[0]': 'object',
  instructions: 'string',
  tools: 'array',
  tool_choice: 'string object',
  parallel_tool_calls: 'boolean',
  max_output_tokens: 'number',
  text: 'object',
  'text.format': 'object',
  reasoning: 'object',
  'reasoning.effort': 'string',
  store: 'boolean',
  metadata: 'object',
  user: 'string',
  service_tier: 'string',
  temperature: 'number',
  top_p: 'number',
  top_logprobs: 'number',
  stream: 'boolean',
  include: 'array',
};

const MESSAGES: Fields = {
  model: 'string',
  max_tokens: 'number',
  messages: 'array',
  'messages[0]': 'object',
  'messages[0].role': 'string',
  'messages[0].content': 'string array',
  'messages[0].content[0]': 'object',
  system: 'string array',
  metadata: 'object',
  'metadata.user_id': 'string',
  stop_sequences: 'array',
  'stop_sequences[0]': 'string',
  stream: 'boolean',
  temperature: 'number',
  top_p: 'number',
  top_k: 'number',
  tools: 'array',
  'tools[0]': 'object',
  'tools[0].name': 'string',
  'tools[0].input_schema': 'object',
  tool_choice: 'object',
  thinking: 'object',
  'thinking.type': 'string',
  service_tier: 'string',
};

const GEMINI: Fields = {
  contents: 'array object',
  'contents[0]': 'object',
  'contents[0].parts': 'array object',
  systemInstruction: 'object string',
  tools: 'array object',
  toolConfig: 'object',
  generationConfig: 'object',
  'generationConfig.temperature': 'number string',
  'generationConfig.topP': 'number string',
  'generationConfig.topK': 'number string',
  'generationConfig.candidateCount': 'number string',
  'generationConfig.maxOutputTokens': 'number string',
  'generationConfig.responseMimeType': 'string',
  'generationConfig.responseSchema': 'object',
  'generationConfig.thinkingConfig': 'object',
};

const COMPLETIONS: Fields = {
  model: 'string',
  prompt: 'string array',
  temperature: 'number',
  top_p: 'number',
  max_tokens: 'number',
  n: 'number',
  stop: 'string array',
  stream: 'boolean',
  suffix: 'string',
  echo: 'boolean',
  best_of: 'number',
  user: 'string',
};

const OPERATION_FIELDS: Readonly<Record<string, Fields>> = {
  embeddings: { model: 'string', input: 'string array', dimensions: 'number', encoding_format: 'string' },
  moderations: { model: 'string', input: 'string array' },
  images: { model: 'string', prompt: 'string', n: 'number', size: 'string', quality: 'string' },
  speech: { model: 'string', input: 'string', voice: 'string object', speed: 'number' },
  rerank: { model: 'string', query: 'string', documents: 'array', top_n: 'number' },
};

/** A copy of `body` with `value` at `path`; what leads there is made where it is missing. */
function put(body: object, path: string, value: unknown): Record<string, unknown> {
  const copy = structuredClone(body) as Record<string, unknown>;
  const pieces = path.split(/[.[\]]+/).filter((piece) => piece !== '');
  let at = copy;
  pieces.forEach((piece, index) => {
    if (index === pieces.length - 1) at[piece] = value;
    else {
      const next = at[piece];
      const isList = /^\d+$/.test(pieces[index + 1] ?? '');
      if (typeof next !== 'object' || next === null || (isList && !Array.isArray(next)))
        at[piece] = isList ? [] : {};
      at = at[piece] as Record<string, unknown>;
    }
  });
  return copy;
}

function casesOf(target: Target, fields: Fields): Case[] {
  return Object.entries(fields).flatMap(([field, kinds]) =>
    Object.entries(WRONG)
      .filter(([kind]) => !kinds.split(' ').includes(kind))
      .flatMap(([kind, values]) =>
        values.map((value) => ({
          name: `${target.name}: ${field} is a ${kind}`,
          path: target.path,
          body: JSON.stringify(put(target.body, field, value)),
          status: [400],
          field: (field.split(/[.[]/)[0] ?? '') as string,
        })),
      ),
  );
}

const RANGES: Readonly<Record<string, readonly unknown[]>> = {
  max_tokens: [-1, 1.5],
  max_completion_tokens: [-1, 0.5],
  n: [0, -1, 1.5, 1000],
};

/** A wrong type for every documented field of every dialect. */
export function wrongTypes(): Case[] {
  const by: Readonly<Record<string, Fields>> = {
    '/v1/chat/completions': CHAT,
    '/v1/responses': RESPONSES,
    '/v1/messages': MESSAGES,
    '/v1/completions': COMPLETIONS,
  };
  const chats = [...SAME, ...ACROSS].flatMap((target) => casesOf(target, by[target.path] ?? GEMINI));
  const operations = OPERATIONS.flatMap((target) => casesOf(target, OPERATION_FIELDS[target.name] ?? {}));
  const ranges = [...SAME, ...ACROSS]
    .filter(({ path }) => path === '/v1/chat/completions')
    .flatMap((target) =>
      Object.entries(RANGES).flatMap(([field, values]) =>
        values.map((value) => ({
          name: `${target.name}: ${field} is ${value}`,
          path: target.path,
          body: JSON.stringify({ ...target.body, [field]: value }),
          status: [400],
          field,
        })),
      ),
    );
  return [...chats, ...operations, ...ranges];
}
