import { badRequest } from '../../core/errors/error.ts';
import type { ChatRequest, Json, JsonObject, Tool, ToolChoice } from '../../core/model/index.ts';
import {
  at,
  objectAt,
  optionalArray,
  optionalBoolean,
  optionalObject,
  optionalString,
  requiredString,
  unknownFields,
} from '../fields.ts';
import { FORMAT } from './names.ts';
import { cacheMark } from './parts-decode.ts';

const FUNCTION: ReadonlySet<string> = new Set([
  'type',
  'name',
  'description',
  'input_schema',
  'strict',
  'cache_control',
]);

function decodeTool(raw: Json, index: number): Tool {
  const path = at('tools', index);
  const tool = objectAt(raw, path);
  const type = optionalString(tool, 'type', path);
  const cache = cacheMark(tool['cache_control'], at(path, 'cache_control'));
  const marked = cache === undefined ? {} : { cache };
  if (type !== undefined && type !== 'custom') {
    const { cache_control: _, ...value } = tool;
    return { type: 'server', format: FORMAT, label: type, value, ...marked };
  }
  const description = optionalString(tool, 'description', path);
  const parameters = optionalObject(tool, 'input_schema', path);
  const strict = optionalBoolean(tool, 'strict', path);
  const rest = unknownFields(tool, FUNCTION);
  return {
    type: 'function',
    name: requiredString(tool, 'name', path),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
    ...marked,
    ...(rest === undefined ? {} : { extensions: { [FORMAT]: rest } }),
  };
}

/** Reads `tools`: those without a type, or of type `custom`, are functions; all others only this format knows. */
export function decodeTools(body: JsonObject): readonly Tool[] {
  return (optionalArray(body, 'tools') ?? []).map(decodeTool);
}

function choiceOf(choice: JsonObject): ToolChoice {
  switch (choice['type']) {
    case 'auto':
    case 'none':
      return { type: choice['type'] };
    case 'any':
      return { type: 'required' };
    case 'tool':
      return { type: 'tool', name: requiredString(choice, 'name', 'tool_choice') };
    default:
      throw badRequest('tool_choice.type', '`tool_choice.type` must be "auto", "any", "tool" or "none".');
  }
}

/** Reads `tool_choice` with its `disable_parallel_tool_use`. */
export function decodeToolChoice(body: JsonObject): Pick<ChatRequest, 'toolChoice' | 'parallelToolCalls'> {
  const choice = optionalObject(body, 'tool_choice');
  if (choice === undefined) return {};
  const disabled = optionalBoolean(choice, 'disable_parallel_tool_use', 'tool_choice');
  return {
    toolChoice: choiceOf(choice),
    ...(disabled === undefined ? {} : { parallelToolCalls: !disabled }),
  };
}
