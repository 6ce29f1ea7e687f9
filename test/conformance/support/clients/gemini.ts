import {
  type Content,
  type GenerateContentParameters,
  type GenerateContentResponse,
  GoogleGenAI,
  type Part,
} from '@google/genai';
import { CALLS, OUTPUT_SCHEMA, TOOL } from '../scenarios.ts';
import { type Answer, type Client, decoded, type Question, SECOND_PROMPT, SECOND_RESULT } from './client.ts';

function contents({ ask, after }: Question): Content[] {
  const { attachment, results } = ask;
  const parts: Part[] = [{ text: ask.prompt }];
  if (attachment !== undefined) {
    parts.push({ inlineData: { mimeType: attachment.mediaType, data: attachment.data } });
  }
  const list: Content[] = [{ role: 'user', parts }];
  if (results !== undefined) {
    list.push({
      role: 'model',
      parts: CALLS.map(({ id, city }) => ({ functionCall: { id, name: TOOL.name, args: { city } } })),
    });
    list.push({
      role: 'user',
      parts: CALLS.map(({ id }, at) => ({
        functionResponse: { id, name: TOOL.name, response: { output: results[at] ?? '' } },
      })),
    });
  }
  if (after === undefined) return list;
  const turn = after.turn as Part[];
  list.push({ role: 'model', parts: turn });
  const calls = turn.flatMap(({ functionCall }) => functionCall ?? []);
  const next = calls.map(({ id, name }): Part => {
    const response = { output: SECOND_RESULT };
    return { functionResponse: { ...(id === undefined ? {} : { id }), name: name ?? '', response } };
  });
  list.push({ role: 'user', parts: calls.length === 0 ? [{ text: SECOND_PROMPT }] : next });
  return list;
}

function params(question: Question): GenerateContentParameters {
  const { ask, model } = question;
  return {
    model,
    contents: contents(question),
    config: {
      maxOutputTokens: ask.maxTokens,
      ...(ask.system === undefined ? {} : { systemInstruction: ask.system }),
      ...(ask.tools
        ? {
            tools: [
              {
                functionDeclarations: [
                  { name: TOOL.name, description: TOOL.description, parametersJsonSchema: TOOL.schema },
                ],
              },
            ],
          }
        : {}),
      ...(ask.reasoning ? { thinkingConfig: { thinkingBudget: 2048, includeThoughts: true } } : {}),
      ...(ask.stop === undefined ? {} : { stopSequences: [ask.stop] }),
      ...(ask.schema ? { responseMimeType: 'application/json', responseJsonSchema: OUTPUT_SCHEMA } : {}),
    },
  };
}

const STOPS: Readonly<Record<string, string>> = {
  STOP: 'end',
  MAX_TOKENS: 'length',
  SAFETY: 'filter',
  OTHER: 'error',
};

function read(chunks: readonly GenerateContentResponse[]): Answer {
  const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
  const usage = chunks.findLast((chunk) => chunk.usageMetadata !== undefined)?.usageMetadata;
  const finish = chunks.findLast((chunk) => chunk.candidates?.[0]?.finishReason !== undefined);
  const word = String(finish?.candidates?.[0]?.finishReason ?? '');
  const texts = (thought: boolean) =>
    parts.map((part) => ((part.thought ?? false) === thought ? (part.text ?? '') : '')).join('');
  const calls = parts.flatMap(({ functionCall }) => functionCall ?? []);
  const isBlocked = chunks.some((chunk) => chunk.promptFeedback?.blockReason !== undefined);
  const stop = isBlocked ? 'filter' : (STOPS[word] ?? word);
  return {
    read: decoded({
      text: texts(false),
      reasoning: texts(true),
      tools: calls.map(({ id, name, args }) => ({ id: id ?? null, name: name ?? '', args: args ?? {} })),
      stop: stop === 'end' && calls.length > 0 ? 'tool' : stop,
      usage:
        usage === undefined
          ? null
          : {
              input: (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0),
              output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0),
              cacheRead: usage.cachedContentTokenCount ?? 0,
              cacheWrite: 0,
              reasoning: usage.thoughtsTokenCount ?? 0,
            },
    }),
    signatures: parts.flatMap(({ thoughtSignature }) => thoughtSignature ?? []),
    turn: parts,
    headers: new Headers(chunks[0]?.sdkHttpResponse?.headers),
  };
}

/** Gemini through Google's SDK. */
export function gemini(baseUrl: string): Client {
  const sdk = new GoogleGenAI({ apiKey: 'unused', httpOptions: { baseUrl } });
  return {
    can: () => true,
    whole: async (question) => read([await sdk.models.generateContent(params(question))]),
    async stream(question) {
      const chunks: GenerateContentResponse[] = [];
      for await (const chunk of await sdk.models.generateContentStream(params(question))) chunks.push(chunk);
      return read(chunks);
    },
  };
}
