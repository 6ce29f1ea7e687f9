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

type Item = OpenAI.Responses.ResponseInputItem;
type Params = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'>;

function input(question: Question): Item[] {
  const { ask, after } = question;
  const { attachment } = ask;
  const content: OpenAI.Responses.ResponseInputContent[] = [{ type: 'input_text', text: ask.prompt }];
  if (attachment !== undefined) {
    const url = `data:${attachment.mediaType};base64,${attachment.data}`;
    content.push(
      attachment.kind === 'image'
        ? { type: 'input_image', image_url: url, detail: 'auto' }
        : { type: 'input_file', filename: attachment.name, file_data: url },
    );
  }
  const items: Item[] = [{ role: 'user', content }];
  if (ask.results !== undefined) {
    for (const { id, city } of CALLS) {
      const args = JSON.stringify({ city });
      items.push({ type: 'function_call', call_id: id, name: TOOL.name, arguments: args });
    }
    for (const [at, { id }] of CALLS.entries())
      items.push({ type: 'function_call_output', call_id: id, output: ask.results[at] ?? '' });
  }
  if (after === undefined) return items;
  const output = after.turn as OpenAI.Responses.ResponseOutputItem[];
  items.push(...(output as Item[]));
  const calls = output.filter((item) => item.type === 'function_call');
  for (const { call_id } of calls)
    items.push({ type: 'function_call_output', call_id, output: SECOND_RESULT });
  if (calls.length === 0) items.push({ role: 'user', content: SECOND_PROMPT });
  return items;
}

function params(question: Question): Params {
  const { ask, model } = question;
  return {
    model,
    input: input(question),
    store: false,
    max_output_tokens: ask.maxTokens,
    ...(ask.system === undefined ? {} : { instructions: ask.system }),
    ...(ask.tools
      ? {
          tools: [
            {
              type: 'function',
              name: TOOL.name,
              description: TOOL.description,
              parameters: TOOL.schema,
              strict: false,
            },
          ],
        }
      : {}),
    ...(ask.reasoning
      ? {
          reasoning: { effort: 'medium', summary: 'auto' },
          include: ['reasoning.encrypted_content' as const],
        }
      : {}),
    ...(ask.schema
      ? { text: { format: { type: 'json_schema', name: 'city', strict: true, schema: OUTPUT_SCHEMA } } }
      : {}),
  };
}

function stopOf(answer: OpenAI.Responses.Response, calls: number): string {
  if (answer.status === 'completed') return calls > 0 ? 'tool' : 'end';
  if (answer.status === 'failed') return 'error';
  const reason = answer.incomplete_details?.reason;
  if (reason === 'max_output_tokens') return 'length';
  return reason === 'content_filter' ? 'filter' : String(reason ?? answer.status);
}

function read(answer: OpenAI.Responses.Response, headers: Headers): Answer {
  const { output, usage } = answer;
  let text = '';
  let reasoning = '';
  let refusal = '';
  const signatures: string[] = [];
  const tools: { id: string; name: string; args: unknown }[] = [];
  for (const item of output) {
    if (item.type === 'message') {
      for (const part of item.content) {
        if (part.type === 'output_text') text += part.text;
        else if (part.type === 'refusal') refusal += part.refusal;
      }
    } else if (item.type === 'reasoning') {
      reasoning += item.summary.map((part) => part.text).join('');
      reasoning += (item.content ?? []).map((part) => part.text).join('');
      if (typeof item.encrypted_content === 'string') signatures.push(item.encrypted_content);
    } else if (item.type === 'function_call') {
      tools.push({ id: item.call_id, name: item.name, args: parsed(item.arguments) });
    } else throw new Error(`an item of type ${item.type}`);
  }
  const cacheWrite = (usage?.input_tokens_details as { cache_write_tokens?: number } | undefined)
    ?.cache_write_tokens;
  return {
    read: decoded({
      text,
      reasoning,
      refusal,
      tools,
      stop: stopOf(answer, tools.length),
      usage:
        usage === undefined || usage === null
          ? null
          : {
              input: usage.input_tokens,
              output: usage.output_tokens,
              cacheRead: usage.input_tokens_details.cached_tokens,
              cacheWrite: cacheWrite ?? 0,
              reasoning: usage.output_tokens_details.reasoning_tokens,
            },
    }),
    signatures,
    turn: output,
    headers,
  };
}

/** Responses through OpenAI's SDK. */
export function openaiResponses(baseUrl: string): Client {
  const kept = keepingHeaders();
  const sdk = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: 'unused', maxRetries: 0, fetch: kept.fetch });
  return {
    can: (ask) => ask.stop === undefined,
    whole: async (question) => read(await sdk.responses.create(params(question)), kept.headers()),
    stream: async (question) => {
      const stream = sdk.responses.stream({ ...params(question), stream: true });
      return read(await stream.finalResponse(), kept.headers());
    },
  };
}
