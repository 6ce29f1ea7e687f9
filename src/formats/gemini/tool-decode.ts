import { badRequest } from '../../core/errors/error.ts';
import {
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type Tool,
  type ToolChoice,
} from '../../core/model/index.ts';
import { fromOpenApiSubset } from '../../core/translation/schema-subset.ts';
import { at, objectAt, optionalObject, optionalString, requiredString, unknownFields } from '../fields.ts';
import { asString, camelKeys, listOf, requestMessage } from './aliases.ts';

const FUNCTION_FIELDS = new Set(['name', 'description', 'parameters', 'parametersJsonSchema']);
const CONFIG_FIELDS = new Set(['functionCallingConfig']);
const CALLING_FIELDS = new Set(['mode', 'allowedFunctionNames']);

function decodeFunction(value: Json, path: string): Tool {
  const body = camelKeys(objectAt(value, path));
  const description = optionalString(body, 'description', path);
  const subset = optionalObject(body, 'parameters', path);
  const parameters =
    optionalObject(body, 'parametersJsonSchema', path) ??
    (subset === undefined ? undefined : fromOpenApiSubset(subset));
  const unknown = unknownFields(body, FUNCTION_FIELDS);
  return {
    type: 'function',
    name: requiredString(body, 'name', path),
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(unknown === undefined ? {} : { extensions: { gemini: unknown } }),
  };
}

/** `tools`: function declarations one by one, every other field of a tool as a server tool of Google's. */
export function decodeTools(value: Json | undefined): readonly Tool[] {
  const tools: Tool[] = [];
  for (const [i, entry] of listOf(value).entries()) {
    const path = at('tools', i);
    const body = camelKeys(objectAt(entry, path));
    for (const [key, field] of Object.entries(body)) {
      if (field === undefined || field === null) continue;
      if (key === 'functionDeclarations') {
        const list = at(path, key);
        for (const [j, one] of listOf(field).entries()) tools.push(decodeFunction(one, at(list, j)));
      } else tools.push({ type: 'server', format: 'gemini', label: key, value: { [key]: field } });
    }
  }
  return tools;
}

/** How many tools `tools` declares, without reading them. */
export function countTools(value: Json | undefined): number {
  let count = 0;
  for (const entry of listOf(value)) {
    if (!isObject(entry)) continue;
    for (const [key, field] of Object.entries(entry)) {
      count += /^function_?[dD]eclarations$/.test(key) ? listOf(field).length : 1;
    }
  }
  return count;
}

function choiceOf(mode: string, names: readonly string[]): ToolChoice | undefined {
  const [only] = names;
  switch (mode) {
    case 'NONE':
      return { type: 'none' };
    case 'ANY':
      if (only === undefined) return { type: 'required' };
      return names.length === 1 ? { type: 'tool', name: only } : { type: 'allowed', names, required: true };
    case 'AUTO':
    case 'VALIDATED':
      return names.length === 0 ? { type: 'auto' } : { type: 'allowed', names, required: false };
    case 'MODE_UNSPECIFIED':
      return undefined;
    default:
      throw badRequest(
        'toolConfig.functionCallingConfig.mode',
        '`toolConfig.functionCallingConfig.mode` must be AUTO, ANY, NONE or VALIDATED.',
      );
  }
}

/** `toolConfig` as a choice, and what of it the canonical model has no word for, VALIDATED included. */
export function decodeToolConfig(value: JsonObject | undefined): {
  readonly choice?: ToolChoice;
  readonly rest?: JsonObject;
} {
  if (value === undefined) return {};
  const calling = requestMessage(value, 'functionCallingConfig', 'toolConfig') ?? {};
  const names = listOf(calling['allowedFunctionNames']).filter((name) => typeof name === 'string');
  const mode = asString(calling['mode'])?.toUpperCase();
  const choice = mode === undefined ? undefined : choiceOf(mode, names);
  const kept = {
    ...unknownFields(calling, CALLING_FIELDS),
    ...(mode === 'VALIDATED' ? { mode } : {}),
  };
  const rest = {
    ...unknownFields(value, CONFIG_FIELDS),
    ...(Object.keys(kept).length === 0 ? {} : { functionCallingConfig: kept }),
  };
  return {
    ...(choice === undefined ? {} : { choice }),
    ...(Object.keys(rest).length === 0 ? {} : { rest }),
  };
}

/** Adds to `extensions.gemini`. */
export function geminiExtension(fields: JsonObject): { readonly extensions?: Extensions } {
  return Object.keys(fields).length === 0 ? {} : { extensions: { gemini: fields } };
}
