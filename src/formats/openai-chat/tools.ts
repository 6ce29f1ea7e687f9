import { badRequest, unsupported } from '../../core/errors/error.ts';
import type {
  CustomTool,
  FunctionTool,
  Json,
  JsonObject,
  OutputShape,
  Tool,
  ToolChoice,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import type { Target } from '../codec.ts';
import {
  at,
  compact,
  objectAt,
  optionalBoolean,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { CUSTOM_TOOL_PARAMETERS } from '../tool-bridge.ts';
import { cacheOf, extensionsOf } from './parts-decode.ts';
import { cacheFields, type PartTarget } from './parts-encode.ts';

const TOOL_FIELDS = new Set(['type', 'function', 'cache_control']);
const FUNCTION_FIELDS = new Set(['name', 'description', 'parameters', 'strict', 'cache_control']);
const CUSTOM_FIELDS = new Set(['name', 'description', 'format']);

function decodeFunction(tool: JsonObject, path: string): FunctionTool {
  const inner = objectAt(tool['function'], at(path, 'function'));
  const where = at(path, 'function');
  const description = optionalString(inner, 'description', where);
  const parameters = optionalObject(inner, 'parameters', where);
  const strict = optionalBoolean(inner, 'strict', where);
  const nested = unknownFields(inner, FUNCTION_FIELDS);
  const rest = unknownFields(tool, TOOL_FIELDS);
  return {
    type: 'function',
    name: requiredString(inner, 'name', where),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
    ...cacheOf(tool['cache_control'] ?? inner['cache_control']),
    ...extensionsOf(nested === undefined ? rest : { ...rest, function: nested }),
  };
}

function decodeTool(tool: JsonObject, path: string): Tool {
  const type = tool['type'] ?? (isObject(tool['function']) ? 'function' : undefined);
  if (typeof type !== 'string') throw badRequest(at(path, 'type'), `\`${at(path, 'type')}\` is required.`);
  if (type === 'function') return decodeFunction(tool, path);
  if (type !== 'custom') {
    return {
      type: 'server',
      format: 'openai-chat',
      label: type,
      value: tool,
      ...cacheOf(tool['cache_control']),
    };
  }
  const inner = objectAt(tool['custom'], at(path, 'custom'));
  const description = optionalString(inner, 'description', at(path, 'custom'));
  return {
    type: 'custom',
    name: requiredString(inner, 'name', at(path, 'custom')),
    ...(description === undefined ? {} : { description }),
    ...(inner['format'] === undefined ? {} : { format: inner['format'] }),
    ...extensionsOf(unknownFields(inner, CUSTOM_FIELDS)),
  };
}

/** Decodes `tools`, and the legacy `functions`. */
export function decodeTools(tools: readonly Json[], functions: readonly Json[]): Tool[] {
  return [
    ...tools.map((tool, i) => decodeTool(objectAt(tool, at('tools', i)), at('tools', i))),
    ...functions.map((tool, i) => decodeFunction({ function: tool }, at('functions', i))),
  ];
}

function nameIn(value: Json | undefined): string | undefined {
  return isObject(value) && typeof value['name'] === 'string' ? value['name'] : undefined;
}

function allowedTools(value: JsonObject): ToolChoice {
  const inner = isObject(value['allowed_tools']) ? value['allowed_tools'] : value;
  const tools = Array.isArray(inner['tools']) ? inner['tools'].filter(isObject) : [];
  const names = tools.map((tool) => nameIn(tool['function']) ?? nameIn(tool['custom']) ?? nameIn(tool));
  return {
    type: 'allowed',
    names: names.filter((name) => name !== undefined),
    required: inner['mode'] === 'required',
  };
}

/** Decodes `tool_choice` or the legacy `function_call`. */
export function decodeToolChoice(value: Json | undefined, path = 'tool_choice'): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { type: value };
  if (value === 'any') return { type: 'required' };
  if (isObject(value)) {
    if (value['type'] === 'allowed_tools') return allowedTools(value);
    const custom = nameIn(value['custom']);
    if (custom !== undefined) return { type: 'tool', name: custom, kind: 'custom' };
    const name = nameIn(value['function']) ?? nameIn(value);
    if (name !== undefined) return { type: 'tool', name };
  }
  throw badRequest(path, `\`${path}\` must be auto, none, required, or name a tool.`);
}

/** Decodes `response_format`. */
export function decodeShape(format: JsonObject | undefined): OutputShape {
  const type = format?.['type'];
  if (format === undefined || type === undefined || type === 'text') return { type: 'text' };
  if (type === 'json_object') return { type };
  if (type !== 'json_schema') {
    throw badRequest(
      'response_format.type',
      '`response_format.type` must be text, json_object or json_schema.',
    );
  }
  const path = 'response_format.json_schema';
  const inner = objectAt(format['json_schema'], path);
  const name = optionalString(inner, 'name', path);
  const description = optionalString(inner, 'description', path);
  const strict = optionalBoolean(inner, 'strict', path);
  return {
    type,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    schema: optionalObject(inner, 'schema', path) ?? {},
    ...(strict === undefined ? {} : { strict }),
  };
}

/** Whether the model knows custom tools; other models of the format get a function with one string `input`. */
export function takesCustom({ profile }: Target): boolean {
  return profile.family === 'gpt';
}

function encodeCustom(tool: CustomTool, to: PartTarget): JsonObject {
  const { name, description, format } = tool;
  const own = tool.extensions?.['openai-chat'];
  if (takesCustom(to.target))
    return { type: 'custom', custom: compact({ ...own, name, description, format }) };
  if (isObject(format) && format['type'] !== 'text') to.dropped.add(`the grammar of tool ${name}`);
  return { type: 'function', function: compact({ name, description, parameters: CUSTOM_TOOL_PARAMETERS }) };
}

function encodeFunction(tool: FunctionTool, to: PartTarget): JsonObject {
  const own = tool.extensions?.['openai-chat'];
  const nested = isObject(own?.['function']) ? own['function'] : {};
  return {
    ...own,
    type: 'function',
    function: compact({
      ...nested,
      name: tool.name,
      description: tool.description,
      parameters: tool.parameters ?? { type: 'object', properties: {} },
      strict: tool.strict,
    }),
    ...cacheFields(tool, to),
  };
}

/** Tools as `tools`. Throws `unsupported_feature` for one that runs at another vendor. */
export function encodeTools(tools: readonly Tool[], to: PartTarget): JsonObject[] {
  return tools.map((tool, index) => {
    if (tool.type === 'server') {
      if (tool.format === 'openai-chat') return tool.value;
      const sentence = `The tool \`${tool.label}\` runs at another vendor; this model cannot be given it.`;
      throw unsupported(at('tools', index), sentence);
    }
    to.dropped.addForeign(tool.extensions, 'tools');
    return tool.type === 'custom' ? encodeCustom(tool, to) : encodeFunction(tool, to);
  });
}

/** The choice as `tool_choice`. `tools` tell which of the names are custom tools. */
export function encodeToolChoice(choice: ToolChoice, tools: readonly Tool[], target: Target): Json {
  const named = (name: string, kind?: 'function' | 'custom') => {
    const isCustom = kind === 'custom' || tools.some((tool) => tool.type === 'custom' && tool.name === name);
    const type = isCustom && takesCustom(target) ? 'custom' : 'function';
    return { type, [type]: { name } };
  };
  switch (choice.type) {
    case 'required':
      return target.quirks.toolChoiceRequired ?? 'required';
    case 'tool':
      return named(choice.name, choice.kind);
    case 'allowed': {
      const mode = choice.required ? 'required' : 'auto';
      return {
        type: 'allowed_tools',
        allowed_tools: { mode, tools: choice.names.map((name) => named(name)) },
      };
    }
    default:
      return choice.type;
  }
}

/** The shape as `response_format`; `undefined` for plain text, which needs no word. */
export function encodeShape(shape: OutputShape): JsonObject | undefined {
  if (shape.type === 'text') return undefined;
  if (shape.type === 'json_object') return { type: 'json_object' };
  const { name = 'answer', description, schema, strict } = shape;
  return { type: 'json_schema', json_schema: compact({ name, description, schema, strict }) };
}
