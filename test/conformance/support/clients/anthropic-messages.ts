import Anthropic from '@anthropic-ai/sdk';
import { CALLS, OUTPUT_SCHEMA, TOOL } from '../scenarios.ts';
import {
  type Answer,
  type Client,
  decoded,
  keepingHeaders,
  type Question,
  SECOND_PROMPT,
  SECOND_RESULT,
} from './client.ts';

type Params = Anthropic.MessageCreateParamsNonStreaming;
type Block = Anthropic.ContentBlockParam;

function result(id: string, content: string): Block {
  return { type: 'tool_result', tool_use_id: id, content };
}

function messages({ ask, after }: Question): Anthropic.MessageParam[] {
  const content: Block[] = [];
  const { attachment } = ask;
  if (attachment?.kind === 'image') {
    const { data } = attachment;
    content.push({ type: 'image', source: { type: 'base64', media_type: 'image/png', data } });
  } else if (attachment !== undefined) {
    const source = { type: 'base64' as const, media_type: 'application/pdf' as const, data: attachment.data };
    content.push({ type: 'document', title: attachment.name, source });
  }
  content.push({ type: 'text', text: ask.prompt });
  const list: Anthropic.MessageParam[] = [{ role: 'user', content }];
  const { results } = ask;
  if (results !== undefined) {
    const uses = CALLS.map(
      ({ id, city }): Block => ({ type: 'tool_use', id, name: TOOL.name, input: { city } }),
    );
    list.push({ role: 'assistant', content: uses });
    list.push({ role: 'user', content: CALLS.map(({ id }, at) => result(id, results[at] ?? '')) });
  }
  if (after === undefined) return list;
  const turn = after.turn as Anthropic.ContentBlock[];
  const calls = turn.filter((block) => block.type === 'tool_use');
  list.push({ role: 'assistant', content: turn as Block[] });
  const next = calls.length === 0 ? SECOND_PROMPT : calls.map(({ id }) => result(id, SECOND_RESULT));
  list.push({ role: 'user', content: next });
  return list;
}

function params(question: Question): Params {
  const { ask, model } = question;
  const { system } = ask;
  const cached = { cache_control: { type: 'ephemeral' as const } };
  return {
    model,
    max_tokens: ask.maxTokens,
    messages: messages(question),
    ...(system === undefined
      ? {}
      : { system: [{ type: 'text' as const, text: system, ...(ask.cache ? cached : {}) }] }),
    ...(ask.tools
      ? { tools: [{ name: TOOL.name, description: TOOL.description, input_schema: TOOL.schema }] }
      : {}),
    ...(ask.reasoning ? { thinking: { type: 'enabled' as const, budget_tokens: 2048 } } : {}),
    ...(ask.stop === undefined ? {} : { stop_sequences: [ask.stop] }),
    ...(ask.schema
      ? { output_config: { format: { type: 'json_schema' as const, schema: OUTPUT_SCHEMA } } }
      : {}),
  };
}

const STOPS: Readonly<Record<string, string>> = {
  end_turn: 'end',
  tool_use: 'tool',
  max_tokens: 'length',
  stop_sequence: 'stop_seq',
  refusal: 'refusal',
  pause_turn: 'pause',
};

function read(message: Anthropic.Message, headers: Headers): Answer {
  let text = '';
  let reasoning = '';
  const signatures: string[] = [];
  const tools: { id: string; name: string; args: unknown }[] = [];
  for (const block of message.content) {
    if (block.type === 'text') text += block.text;
    else if (block.type === 'thinking') {
      reasoning += block.thinking;
      if (block.signature !== '') signatures.push(block.signature);
    } else if (block.type === 'redacted_thinking') signatures.push(block.data);
    else if (block.type === 'tool_use') tools.push({ id: block.id, name: block.name, args: block.input });
    else throw new Error(`a block of type ${block.type}`);
  }
  const { usage } = message;
  const cacheRead = usage.cache_read_input_tokens ?? 0;
  const cacheWrite = usage.cache_creation_input_tokens ?? 0;
  const details = (usage as { output_tokens_details?: { thinking_tokens?: number } | null })
    .output_tokens_details;
  return {
    read: decoded({
      text,
      reasoning,
      tools,
      stop: STOPS[message.stop_reason ?? ''] ?? message.stop_reason,
      usage: {
        input: usage.input_tokens + cacheRead + cacheWrite,
        output: usage.output_tokens,
        cacheRead,
        cacheWrite,
        reasoning: details?.thinking_tokens ?? 0,
      },
    }),
    signatures,
    turn: message.content,
    headers,
  };
}

/** Messages through Anthropic's SDK. */
export function anthropicMessages(baseUrl: string): Client {
  const kept = keepingHeaders();
  const sdk = new Anthropic({ baseURL: baseUrl, apiKey: 'unused', maxRetries: 0, fetch: kept.fetch });
  return {
    can: () => true,
    whole: async (question) => read(await sdk.messages.create(params(question)), kept.headers()),
    stream: async (question) =>
      read(await sdk.messages.stream(params(question)).finalMessage(), kept.headers()),
  };
}
