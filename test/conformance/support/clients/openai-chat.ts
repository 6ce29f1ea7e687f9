import OpenAI from 'openai';
import { CALLS, OUTPUT_SCHEMA, TOOL } from '../scenarios.ts';
import {
  type Answer,
  type Client,
  decoded,
  keepingHeaders,
  parsed,
  type Question,
  SECOND_PROMPT,
  SECOND_RESULT,
} from './client.ts';

type Messages = OpenAI.ChatCompletionMessageParam[];
type Params = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'>;

/** Fields beyond OpenAI's own types that carry reasoning in this dialect. */
interface Thinking {
  reasoning_content?: string;
  reasoning_details?: { signature?: string; data?: string }[];
}

function userContent({ ask }: Question): OpenAI.ChatCompletionUserMessageParam['content'] {
  const { attachment, prompt } = ask;
  if (attachment === undefined) return prompt;
  const url = `data:${attachment.mediaType};base64,${attachment.data}`;
  return [
    { type: 'text', text: prompt },
    attachment.kind === 'image'
      ? { type: 'image_url', image_url: { url } }
      : { type: 'file', file: { filename: attachment.name, file_data: url } },
  ];
}

function messages(question: Question): Messages {
  const { ask, after } = question;
  const list: Messages = ask.system === undefined ? [] : [{ role: 'system', content: ask.system }];
  list.push({ role: 'user', content: userContent(question) });
  if (ask.results !== undefined) {
    const tool_calls = CALLS.map(({ id, city }) => ({
      id,
      type: 'function' as const,
      function: { name: TOOL.name, arguments: JSON.stringify({ city }) },
    }));
    list.push({ role: 'assistant', content: null, tool_calls });
    for (const [at, { id }] of CALLS.entries())
      list.push({ role: 'tool', tool_call_id: id, content: ask.results[at] ?? '' });
  }
  if (after === undefined) return list;
  const turn = after.turn as OpenAI.ChatCompletionMessage;
  list.push(turn);
  for (const { id } of turn.tool_calls ?? [])
    list.push({ role: 'tool', tool_call_id: id, content: SECOND_RESULT });
  if (turn.tool_calls === undefined) list.push({ role: 'user', content: SECOND_PROMPT });
  return list;
}

function params(question: Question): Params {
  const { ask, model } = question;
  return {
    model,
    messages: messages(question),
    max_completion_tokens: ask.maxTokens,
    ...(ask.tools
      ? {
          tools: [
            {
              type: 'function',
              function: { name: TOOL.name, description: TOOL.description, parameters: TOOL.schema },
            },
          ],
        }
      : {}),
    ...(ask.reasoning ? { reasoning_effort: 'medium' } : {}),
    ...(ask.stop === undefined ? {} : { stop: [ask.stop] }),
    ...(ask.schema
      ? {
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'city', strict: true, schema: OUTPUT_SCHEMA },
          },
        }
      : {}),
  };
}

const STOPS: Readonly<Record<string, string>> = {
  stop: 'end',
  tool_calls: 'tool',
  length: 'length',
  content_filter: 'filter',
};

function read(answer: OpenAI.ChatCompletion, thinking: Thinking, headers: Headers): Answer {
  const choice = answer.choices[0];
  if (choice === undefined) throw new Error('an answer without a choice');
  const { message } = choice;
  const { usage } = answer;
  const details = thinking.reasoning_details ?? [];
  const signatures = details.flatMap(({ signature, data }) => signature ?? data ?? []);
  return {
    read: decoded({
      text: message.content ?? '',
      reasoning: thinking.reasoning_content ?? '',
      refusal: message.refusal ?? '',
      tools: (message.tool_calls ?? []).map((call) => {
        if (call.type !== 'function') throw new Error(`a call of type ${call.type}`);
        return { id: call.id, name: call.function.name, args: parsed(call.function.arguments) };
      }),
      stop: STOPS[choice.finish_reason] ?? choice.finish_reason,
      usage:
        usage === undefined || usage === null
          ? null
          : {
              input: usage.prompt_tokens,
              output: usage.completion_tokens,
              cacheRead: usage.prompt_tokens_details?.cached_tokens ?? 0,
              cacheWrite:
                (usage.prompt_tokens_details as { cache_write_tokens?: number } | undefined)
                  ?.cache_write_tokens ?? 0,
              reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
            },
    }),
    signatures,
    turn: { ...message, ...thinking },
    headers,
  };
}

/** Chat Completions through OpenAI's SDK. */
export function openaiChat(baseUrl: string): Client {
  const kept = keepingHeaders();
  const sdk = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: 'unused', maxRetries: 0, fetch: kept.fetch });
  return {
    can: () => true,
    async whole(question) {
      const answer = await sdk.chat.completions.create(params(question));
      return read(answer, answer.choices[0]?.message as Thinking, kept.headers());
    },
    async stream(question) {
      const stream = sdk.chat.completions.stream({
        ...params(question),
        stream: true,
        stream_options: { include_usage: true },
      });
      // The helper knows OpenAI's fields only and keeps the last piece of any other.
      const thinking: Thinking = {};
      stream.on('chunk', (chunk) => {
        const delta = (chunk.choices[0]?.delta ?? {}) as Thinking;
        if (delta.reasoning_content !== undefined)
          thinking.reasoning_content = (thinking.reasoning_content ?? '') + delta.reasoning_content;
        if (delta.reasoning_details !== undefined)
          thinking.reasoning_details = [...(thinking.reasoning_details ?? []), ...delta.reasoning_details];
      });
      return read(await stream.finalChatCompletion(), thinking, kept.headers());
    },
  };
}
