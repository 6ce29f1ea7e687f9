import type { ChatRequest, JsonObject, OutputShape } from '../../core/model/index.ts';
import { hashText } from '../../core/translation/tool-ids.ts';

/** The format's own id, also the key of its extensions. */
export const FORMAT = 'anthropic-messages';

/** Tool names Anthropic takes (official reference). */
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,128}$/;

/**
 * The tool that stands in for structured output on models without it: its arguments are the answer. The name is reserved,
 * so that the way back recognises it from the request alone.
 */
export const OUTPUT_TOOL = 'sluice_structured_output';

/** A tool name Anthropic takes: unchanged where it fits, else cleaned and made unique by a hash of the original. */
export function fitToolName(name: string): string {
  if (TOOL_NAME.test(name)) return name;
  return `${name.replace(/[^a-zA-Z0-9_-]/g, '_').slice(0, 115)}_${hashText(name, 10)}`;
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
  let renamed: Map<string, string> | undefined;
  let custom: Set<string> | undefined;
  for (const tool of request.tools) {
    if (tool.type === 'server') continue;
    if (tool.type === 'custom') {
      custom ??= new Set();
      custom.add(tool.name);
    }
    const wireName = fitToolName(tool.name);
    if (wireName === tool.name) continue;
    renamed ??= new Map();
    renamed.set(wireName, tool.name);
  }
  return {
    nameOf: (name) => renamed?.get(name) ?? name,
    isCustom: (name) => custom?.has(name) ?? false,
    output: outputOf(request.output),
  };
}
