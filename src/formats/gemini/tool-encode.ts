import { unsupported } from '../../core/errors/error.ts';
import type { ChatRequest, FunctionTool, JsonObject, Tool, ToolChoice } from '../../core/model/index.ts';
import { toOpenApiSubset } from '../../core/translation/schema-subset.ts';
import type { Target } from '../codec.ts';
import { at, compact } from '../fields.ts';
import { CUSTOM_TOOL_PARAMETERS } from '../tool-bridge.ts';
import { asObject } from './aliases.ts';
import type { Notes } from './notes.ts';

interface Declared {
  readonly body: JsonObject;
  readonly strict: boolean;
}

function isEmptySchema(schema: JsonObject): boolean {
  const properties = asObject(schema['properties']) ?? {};
  return Object.keys(properties).length === 0 && Object.keys(schema).every((key) => EMPTY_KEYS.has(key));
}

const EMPTY_KEYS = new Set(['type', 'properties', 'required', 'additionalProperties', '$schema', 'title']);

function declare(tool: FunctionTool, target: Target, notes: Notes): Declared {
  const head = { ...tool.extensions?.gemini, name: tool.name, description: tool.description };
  notes.when(tool.cache !== undefined, 'cache_control');
  if (tool.parameters === undefined) return { body: compact(head), strict: tool.strict === true };
  if (target.quirks.schema !== 'openapi') {
    return {
      body: compact({ ...head, parametersJsonSchema: tool.parameters }),
      strict: tool.strict === true,
    };
  }
  const { schema, loosened } = toOpenApiSubset(tool.parameters);
  for (const word of loosened) notes.add(`schema ${word} of tool ${tool.name}`);
  const strict = tool.strict === true && loosened.length === 0;
  notes.when(tool.strict === true && !strict, `strict of tool ${tool.name}`);
  // An object without properties is refused in this subset; no schema at all means the same.
  return { body: compact({ ...head, parameters: isEmptySchema(schema) ? undefined : schema }), strict };
}

function configOf(choice: ToolChoice | undefined, validated: boolean): JsonObject | undefined {
  switch (choice?.type) {
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [choice.name] };
    case 'allowed':
      // Names are only taken together with ANY or VALIDATED.
      return { mode: choice.required ? 'ANY' : 'VALIDATED', allowedFunctionNames: [...choice.names] };
    case 'auto':
      return { mode: validated ? 'VALIDATED' : 'AUTO' };
    case undefined:
      return validated ? { mode: 'VALIDATED' } : undefined;
  }
}

function serverTool(tool: Tool & { readonly type: 'server' }, path: string): JsonObject {
  if (tool.format === 'gemini') return tool.value;
  throw unsupported(
    path,
    `The tool "${tool.label}" runs at another provider; remove it or choose a model of that provider.`,
  );
}

/** `tools` and `toolConfig`. Throws `unsupported_feature` for another vendor's server tool. */
export function encodeTools(request: ChatRequest, target: Target, notes: Notes): JsonObject {
  const declarations: Declared[] = [];
  const tools: JsonObject[] = [];
  /** All functions go into one tool, as Vertex demands, where the first of them stood. */
  const functionDeclarations: JsonObject[] = [];
  for (const [i, tool] of request.tools.entries()) {
    if (tool.type === 'server') {
      tools.push(serverTool(tool, at('tools', i)));
      continue;
    }
    if (declarations.length === 0) tools.push({ functionDeclarations });
    if (tool.type === 'function') declarations.push(declare(tool, target, notes));
    else {
      notes.when(tool.format !== undefined, `format of tool ${tool.name}`);
      const custom: FunctionTool = {
        type: 'function',
        name: tool.name,
        ...(tool.description === undefined ? {} : { description: tool.description }),
        parameters: CUSTOM_TOOL_PARAMETERS,
      };
      declarations.push(declare(custom, target, notes));
    }
  }
  functionDeclarations.push(...declarations.map((one) => one.body));
  notes.when(request.parallelToolCalls === false && declarations.length > 0, 'parallel_tool_calls');
  const extra = request.extensions?.gemini?.['toolConfig'];
  const kept = asObject(extra) ?? {};
  const calling = asObject(kept['functionCallingConfig']) ?? {};
  const validated = calling['mode'] === 'VALIDATED' || declarations.some((one) => one.strict);
  const choice = tools.length === 0 ? undefined : configOf(request.toolChoice, validated);
  const { mode: _, ...others } = calling;
  const config = { ...others, ...choice };
  const toolConfig = {
    ...kept,
    functionCallingConfig: Object.keys(config).length === 0 ? undefined : config,
  };
  const body = compact(toolConfig);
  return {
    ...(tools.length === 0 ? {} : { tools }),
    ...(Object.keys(body).length === 0 ? {} : { toolConfig: body }),
  };
}
