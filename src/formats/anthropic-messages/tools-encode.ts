import { unsupported } from '../../core/errors/error.ts';
import type { ChatRequest, FunctionTool, JsonObject, Tool, ToolChoice } from '../../core/model/index.ts';
import { toClosedSchema } from '../../core/translation/closed-schema.ts';
import { CUSTOM_TOOL_PARAMETERS } from '../tool-bridge.ts';
import { FORMAT, fitToolName, isObjectSchema, OUTPUT_TOOL } from './names.ts';
import { cacheControl, type Encoding } from './parts-encode.ts';

/** `tools`, `tool_choice`, and how the output's shape is asked for. */
export interface EncodedTools {
  readonly tools: readonly JsonObject[];
  readonly choice?: JsonObject;
  /** A call will happen whatever the model thinks of it. */
  readonly forced: boolean;
  /** `output_config.format`. */
  readonly format?: JsonObject;
  /** A sentence for the system prompt. */
  readonly instruction?: string;
}

/** An input schema: an object in any case, without parameters an empty one. */
function inputSchema(tool: FunctionTool): JsonObject {
  const { parameters } = tool;
  if (parameters === undefined || Object.keys(parameters).length === 0) {
    return { type: 'object', properties: {} };
  }
  return parameters['type'] === undefined ? { type: 'object', ...parameters } : parameters;
}

function encodeTool(tool: Tool, index: number, { notes }: Encoding): JsonObject {
  if (tool.type === 'server') {
    if (tool.format !== FORMAT) {
      throw unsupported(`tools[${index}]`, `This model does not have the tool \`${tool.label}\`.`);
    }
    return {
      ...tool.value,
      ...(tool.cache === undefined ? {} : { cache_control: cacheControl(tool.cache) }),
    };
  }
  notes.addForeign(tool.extensions, 'tools.');
  const described = tool.description === undefined ? {} : { description: tool.description };
  if (tool.type === 'custom') {
    if (tool.format !== undefined) notes.add('tools.format');
    return {
      ...tool.extensions?.[FORMAT],
      name: fitToolName(tool.name),
      ...described,
      input_schema: CUSTOM_TOOL_PARAMETERS,
    };
  }
  return {
    ...tool.extensions?.[FORMAT],
    name: fitToolName(tool.name),
    ...described,
    input_schema: inputSchema(tool),
    ...(tool.strict === undefined ? {} : { strict: tool.strict }),
    ...(tool.cache === undefined ? {} : { cache_control: cacheControl(tool.cache) }),
  };
}

/** The tools a choice leaves: `allowed` has no word here, so the others are not offered. */
function offered(request: ChatRequest): readonly Tool[] {
  const { toolChoice } = request;
  if (toolChoice?.type !== 'allowed') return request.tools;
  return request.tools.filter((tool) => tool.type === 'server' || toolChoice.names.includes(tool.name));
}

function choiceType(choice: ToolChoice | undefined): JsonObject | undefined {
  switch (choice?.type) {
    case undefined:
      return undefined;
    case 'auto':
    case 'none':
      return { type: choice.type };
    case 'required':
      return { type: 'any' };
    case 'tool':
      return { type: 'tool', name: fitToolName(choice.name) };
    case 'allowed':
      return { type: choice.required ? 'any' : 'auto' };
  }
}

function encodeChoice(encoding: Encoding, type: JsonObject | undefined): JsonObject | undefined {
  if (encoding.request.parallelToolCalls !== false) return type;
  if (encoding.target.profile.refuses.includes('parallel_tool_calls')) {
    encoding.notes.add('parallel_tool_calls');
    return type;
  }
  if (type?.['type'] === 'none') return type;
  return { ...(type ?? { type: 'auto' }), disable_parallel_tool_use: true };
}

const JSON_INSTRUCTION = 'Answer with one valid JSON object and nothing else.';

/** The tool whose arguments are the answer, for models without structured output. */
function outputTool(request: ChatRequest): JsonObject | undefined {
  const { output } = request;
  if (output.type !== 'json_schema') return undefined;
  const schema = isObjectSchema(output.schema)
    ? { type: 'object', ...output.schema }
    : { type: 'object', properties: { value: output.schema }, required: ['value'] };
  return {
    name: OUTPUT_TOOL,
    description: output.description ?? 'Gives the final answer. Call it once, with the whole answer.',
    input_schema: schema,
  };
}

/**
 * Bare definitions of the tools that earlier turns called, for a request that offers none any more: the API refuses tool
 * blocks without `tools`. With the choice `none` they cannot be called.
 */
function pastTools(request: ChatRequest): JsonObject[] {
  const names = new Set<string>();
  for (const { parts } of request.messages) {
    for (const part of parts) if (part.type === 'tool_call') names.add(fitToolName(part.name));
  }
  return [...names].map((name) => ({ name, input_schema: { type: 'object', properties: {} } }));
}

/** Reads tools, choice and output shape together, because each limits the others. */
export function encodeTools(encoding: Encoding): EncodedTools {
  const { request, target, notes } = encoding;
  const tools = offered(request).map((tool, index) => encodeTool(tool, index, encoding));
  if (tools.length > 0 && !target.profile.tools)
    throw unsupported('tools', 'This model does not take tools.');
  const { output } = request;
  const native = output.type === 'json_schema' && target.profile.structuredOutput === 'json_schema';
  const schema = native ? toClosedSchema(output.schema) : undefined;
  if (output.type === 'json_schema' && schema === undefined) {
    const answer = outputTool(request);
    if (answer === undefined || !target.profile.tools) {
      throw unsupported('response_format', 'This model gives no structured output.');
    }
    const free = tools.length > 0 && request.toolChoice?.type !== 'none';
    const type = free ? { type: 'any' } : { type: 'tool', name: OUTPUT_TOOL };
    notes.add('json_schema (sent as a tool)');
    return { tools: [...tools, answer], choice: { ...type, disable_parallel_tool_use: true }, forced: true };
  }
  const past = tools.length === 0 ? pastTools(request) : [];
  const type = past.length > 0 ? { type: 'none' } : choiceType(request.toolChoice);
  const choice = tools.length + past.length === 0 ? undefined : encodeChoice(encoding, type);
  const common = {
    tools: [...tools, ...past],
    ...(choice === undefined ? {} : { choice }),
    forced: choice?.['type'] === 'any' || choice?.['type'] === 'tool',
  };
  if (schema !== undefined) return { ...common, format: { type: 'json_schema', schema } };
  if (output.type === 'text') return common;
  notes.add('json_object (sent as an instruction)');
  return { ...common, instruction: JSON_INSTRUCTION };
}
