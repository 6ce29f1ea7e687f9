import type { ChatRequest, JsonObject, OutputShape } from '../../core/model/index.ts';
import { fitToolName as fitName, givenNames, NAME_RULES } from '../../core/translation/tool-names.ts';

/** The format's own id, also the key of its extensions. */
export const FORMAT = 'anthropic-messages';

/** Type of a block, and key under `extensions` of the document it is elsewhere. */
export const SEARCH_RESULT = 'search_result';

/**
 * The tool that stands in for structured output on models without it: its arguments are the answer. The name is reserved,
 * so that the way back recognises it from the request alone.
 */
export const OUTPUT_TOOL = 'sluice_structured_output';

/** A tool name Anthropic takes. */
export function fitToolName(name: string): string {
  return fitName(name, NAME_RULES.anthropic);
}

/** Whether a schema can be a tool's input as it is; another shape travels as the one field `value`. */
export function isObjectSchema(schema: JsonObject): boolean {
  return schema['type'] === 'object' || (schema['type'] === undefined && 'properties' in schema);
}

/** What of the request decides how an answer's tool calls are read. */
export interface AnswerShape {
  /** The client's name of a tool. */
  nameOf(wireName: string): string;
  /** The tool takes free text, wrapped as `{"input": …}` on the wire. */
  isCustom(name: string): boolean;
  /** The client asked for a schema, so a call of {@link OUTPUT_TOOL} is the answer's text. */
  readonly output: 'text' | 'object' | 'wrapped';
}

const PLAIN: AnswerShape = { nameOf: (name) => name, isCustom: () => false, output: 'text' };

function outputOf(output: OutputShape): AnswerShape['output'] {
  if (output.type !== 'json_schema') return 'text';
  return isObjectSchema(output.schema) ? 'object' : 'wrapped';
}

/** Reads an {@link AnswerShape} off the request that was sent. */
export function answerShape(request: ChatRequest | undefined): AnswerShape {
  if (request === undefined) return PLAIN;
  const renamed = givenNames(request, NAME_RULES.anthropic);
  let custom: Set<string> | undefined;
  for (const tool of request.tools) {
    if (tool.type !== 'custom') continue;
    custom ??= new Set();
    custom.add(tool.name);
  }
  return {
    nameOf: (name) => renamed?.get(name) ?? name,
    isCustom: (name) => custom?.has(name) ?? false,
    output: outputOf(request.output),
  };
}
