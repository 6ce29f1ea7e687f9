import { badRequest, unsupported } from '../../core/errors/error.ts';
import type {
  ChatRequest,
  FunctionTool,
  Json,
  JsonObject,
  Tool,
  ToolChoice,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
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
import { FORMAT, ownExtensions, ownFields } from './wire.ts';

const FUNCTION_FIELDS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict']);
const CUSTOM_FIELDS: ReadonlySet<string> = new Set(['type', 'name', 'description', 'format']);

function decodeFunction(tool: JsonObject, path: string): FunctionTool {
  const description = optionalString(tool, 'description', path);
  const parameters = optionalObject(tool, 'parameters', path);
  const strict = optionalBoolean(tool, 'strict', path);
  return {
    type: 'function',
    name: requiredString(tool, 'name', path),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
    ...ownExtensions(unknownFields(tool, FUNCTION_FIELDS)),
  };
}

/** One entry of `tools`. Everything but functions and custom tools runs at the vendor and stays as it is. */
export function decodeTool(value: Json, path: string): Tool {
  const tool = objectAt(value, path);
  const type = requiredString(tool, 'type', path);
  if (type === 'function') return decodeFunction(tool, path);
  if (type !== 'custom') return { type: 'server', format: FORMAT, label: type, value: tool };
  const description = optionalString(tool, 'description', path);
  return {
    type: 'custom',
    name: requiredString(tool, 'name', path),
    ...(description === undefined ? {} : { description }),
    ...(tool['format'] === undefined ? {} : { format: tool['format'] }),
    ...ownExtensions(unknownFields(tool, CUSTOM_FIELDS)),
  };
}

function encodeFunction(tool: FunctionTool, isOwn: boolean): JsonObject {
  return compact({
    type: 'function',
    name: tool.name,
    description: tool.description,
    parameters: tool.parameters ?? { type: 'object', properties: {} },
    // This API's default is strict where others' is not, so silence means different things.
    strict: tool.strict ?? (isOwn ? undefined : false),
    ...ownFields(tool),
  });
}

/**
 * The `tools` list. Throws `unsupported_feature` for another vendor's server tool: leaving it out would change what was
 * asked.
 */
export function encodeTools(request: Pick<ChatRequest, 'tools' | 'extensions'>): JsonObject[] {
  const isOwn = ownFields(request) !== undefined;
  return request.tools.map((tool, index) => {
    if (tool.type === 'function') return encodeFunction(tool, isOwn);
    if (tool.type === 'custom') {
      const { name, description, format } = tool;
      return compact({ type: 'custom', name, description, format, ...ownFields(tool) });
    }
    if (tool.format !== FORMAT) {
      const message = `The tool \`${tool.label}\` runs at another vendor. Remove it, or use a model of that vendor.`;
      throw unsupported(`tools[${index}]`, message);
    }
    return tool.value;
  });
}

/** A canonical choice, or `raw` where only this format can say it (a server tool by name). */
export type DecodedChoice = { readonly choice: ToolChoice } | { readonly raw: Json };

function decodeAllowed(value: JsonObject, path: string): DecodedChoice {
  const tools = Array.isArray(value['tools']) ? value['tools'] : [];
  const names: string[] = [];
  for (const tool of tools) {
    const isNamed = isObject(tool) && (tool['type'] === 'function' || tool['type'] === 'custom');
    if (!isNamed) return { raw: value };
    names.push(requiredString(tool, 'name', at(path, 'tools')));
  }
  return { choice: { type: 'allowed', names, required: value['mode'] === 'required' } };
}

/** `tool_choice`, which is flat here. */
export function decodeToolChoice(value: Json | undefined): DecodedChoice | undefined {
  const path = 'tool_choice';
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { choice: { type: value } };
  if (!isObject(value)) {
    throw badRequest(path, '`tool_choice` must be `auto`, `none`, `required` or an object.');
  }
  const { type } = value;
  if (type === 'function' || type === 'custom') {
    return { choice: { type: 'tool', name: requiredString(value, 'name', path), kind: type } };
  }
  return type === 'allowed_tools' ? decodeAllowed(value, path) : { raw: value };
}

function kindOf(request: ChatRequest, name: string): 'function' | 'custom' {
  const tool = request.tools.find((entry) => entry.type !== 'server' && entry.name === name);
  return tool?.type === 'custom' ? 'custom' : 'function';
}

/** The choice as this format writes it; `undefined` if nothing was chosen. */
export function encodeToolChoice(request: ChatRequest): Json | undefined {
  const choice = request.toolChoice;
  if (choice === undefined) return ownFields(request)?.['tool_choice'];
  switch (choice.type) {
    case 'tool':
      return { type: choice.kind ?? kindOf(request, choice.name), name: choice.name };
    case 'allowed':
      return {
        type: 'allowed_tools',
        mode: choice.required ? 'required' : 'auto',
        tools: choice.names.map((name) => ({ type: kindOf(request, name), name })),
      };
    default:
      return choice.type;
  }
}
