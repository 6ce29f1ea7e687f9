import OpenAI from 'openai';
import { type Answer, type Client, decoded, keepingHeaders, type Question } from './client.ts';

const STOPS: Readonly<Record<string, string>> = { stop: 'end', length: 'length', content_filter: 'filter' };

function params({ ask, model }: Question) {
  return {
    model,
    prompt: ask.prompt,
    max_tokens: ask.maxTokens,
    ...(ask.stop === undefined ? {} : { stop: [ask.stop] }),
  };
}

interface Read {
  readonly text: string;
  readonly stop: string | null | undefined;
  readonly usage: OpenAI.CompletionUsage | undefined;
}

function answer({ text, stop, usage }: Read, headers: Headers): Answer {
  const { prompt_tokens_details, completion_tokens_details } = usage ?? {};
  return {
    read: decoded({
      text,
      stop: STOPS[stop ?? ''] ?? stop ?? null,
      usage:
        usage === undefined || usage === null
          ? null
          : {
              input: usage.prompt_tokens,
              output: usage.completion_tokens,
              cacheRead: prompt_tokens_details?.cached_tokens ?? 0,
              cacheWrite: 0,
              reasoning: completion_tokens_details?.reasoning_tokens ?? 0,
            },
    }),
    signatures: [],
    turn: undefined,
    headers,
  };
}

/** Legacy Completions through OpenAI's SDK: one text in, one out. */
export function openaiCompletions(baseUrl: string): Client {
  const kept = keepingHeaders();
  const sdk = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: 'unused', maxRetries: 0, fetch: kept.fetch });
  return {
    can: ({ system, attachment, tools, results, reasoning, schema }) =>
      [system, attachment, tools, results, reasoning, schema].every((wish) => wish === undefined),
    async whole(question) {
      const { choices, usage } = await sdk.completions.create(params(question));
      const [choice] = choices;
      return answer({ text: choice?.text ?? '', stop: choice?.finish_reason, usage }, kept.headers());
    },
    async stream(question) {
      const stream = await sdk.completions.create({
        ...params(question),
        stream: true,
        stream_options: { include_usage: true },
      });
      let text = '';
      let stop: string | null | undefined;
      let usage: OpenAI.CompletionUsage | undefined;
      for await (const chunk of stream) {
        text += chunk.choices[0]?.text ?? '';
        stop = chunk.choices[0]?.finish_reason ?? stop;
        usage = chunk.usage ?? usage;
      }
      return answer({ text, stop, usage }, kept.headers());
    },
  };
}
