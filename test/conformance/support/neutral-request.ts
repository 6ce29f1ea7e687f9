import type { ChatRequest, JsonObject } from '../../../src/core/model/index.ts';

/** A tool as every dialect can offer it. */
interface PlainTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

function plainTools(request: ChatRequest | undefined): PlainTool[] {
  return (request?.tools ?? []).flatMap((tool) =>
    tool.type === 'function'
      ? [
          {
            name: tool.name,
            description: tool.description ?? tool.name,
            parameters: tool.parameters ?? { type: 'object', properties: {} },
          },
        ]
      : [],
  );
}

const PROMPT = 'Go on.';

/** The simplest request of each client dialect that offers the tools of another request. */
export const NEUTRAL: Readonly<Record<string, (model: string, tools: readonly PlainTool[]) => JsonObject>> = {
  'openai-chat': (model, tools) => ({
    model,
    messages: [{ role: 'user', content: PROMPT }],
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, parameters }) => ({
            type: 'function',
            function: { name, description, parameters },
          })),
        }),
  }),
  'openai-responses': (model, tools) => ({
    model,
    input: PROMPT,
    ...(tools.length === 0 ? {} : { tools: tools.map((tool) => ({ type: 'function', ...tool })) }),
  }),
  'anthropic-messages': (model, tools) => ({
    model,
    max_tokens: 4096,
    messages: [{ role: 'user', content: PROMPT }],
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, parameters }) => ({
            name,
            description,
            input_schema: parameters,
          })),
        }),
  }),
  gemini: (_model, tools) => ({
    contents: [{ role: 'user', parts: [{ text: PROMPT }] }],
    ...(tools.length === 0
      ? {}
      : {
          tools: [
            {
              functionDeclarations: tools.map(({ name, description, parameters }) => ({
                name,
                description,
                parametersJsonSchema: parameters,
              })),
            },
          ],
        }),
  }),
};

/** {@link NEUTRAL} with the tools of a decoded request. */
export function neutralRequest(
  dialect: string,
  model: string,
  recorded: ChatRequest | undefined,
): JsonObject {
  const write = NEUTRAL[dialect];
  if (write === undefined) throw new Error(`no neutral request in ${dialect}`);
  return write(model, plainTools(recorded));
}
