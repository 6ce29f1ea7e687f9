import type {
  ChatRequest,
  FunctionTool,
  Json,
  JsonObject,
  ModelProfile,
  OutputShape,
  ReasoningControl,
  Tool,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { toClosedSchema } from '../../core/translation/closed-schema.ts';
import { planReasoning, type ReasoningPlan } from '../../core/translation/reasoning.ts';
import { fitToolNames } from '../../core/translation/tool-names.ts';
import type { EncodedRequest, Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { CUSTOM_TOOL_PARAMETERS, JSON_OUTPUT_TOOL, outputParameters } from '../tool-bridge.ts';
import {
  type Carried,
  type Dropped,
  noteUncarried,
  offeredTools,
  outputLimit,
  sampled,
  stopSequences,
} from '../uncarried.ts';
import { cachePoint } from './content-encode.ts';
import { encodeMessages } from './messages-encode.ts';
import { FORMAT, own } from './wire.ts';

const CARRIED: Carried = {
  format: FORMAT,
  sampling: new Set(['temperature', 'topP', 'topK']),
  fields: new Set(['serviceTier']),
};

const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} };
const NO_TOOLS = 'Do not call any tool. Answer in text.';
const ONLY_JSON = 'Answer with one JSON object and nothing else: no explanation, no code fence.';

function toolSpec(
  tool: Pick<FunctionTool, 'name' | 'description' | 'parameters' | 'strict' | 'extensions'>,
): JsonObject {
  const description = tool.description?.trim() === '' ? undefined : tool.description;
  const schema = tool.parameters ?? NO_PARAMETERS;
  const spec = { name: tool.name, description, inputSchema: { json: schema }, strict: tool.strict };
  return { toolSpec: { ...compact(spec), ...own(tool.extensions) } };
}

function encodeTool(tool: Tool, dropped: Dropped): JsonObject {
  if (tool.type === 'function') return toolSpec(tool);
  if (tool.type === 'custom') {
    if (tool.format !== undefined) dropped.add(`format of tool ${tool.name}`);
    return toolSpec({ name: tool.name, parameters: CUSTOM_TOOL_PARAMETERS, ...described(tool.description) });
  }
  return tool.value;
}

function described(description: string | undefined): { description?: string } {
  return description === undefined ? {} : { description };
}

/** Names of the tools that the history calls, in order; `tool` where it holds a result that nobody names. */
function calledTools(request: ChatRequest): ReadonlySet<string> {
  const names = new Set<string>();
  let results = false;
  for (const { parts } of request.messages) {
    for (const part of parts) {
      if (part.type === 'tool_result') results = true;
      if ((part.type === 'tool_call' || part.type === 'tool_result') && part.name !== undefined) {
        names.add(part.name);
      }
    }
  }
  if (results && names.size === 0) names.add('tool');
  return names;
}

interface EncodedTools {
  readonly tools: JsonObject[];
  readonly choice?: JsonObject;
  /** Sentence for the system prompt, where Converse has no word. */
  readonly instruction?: string;
}

function encodeChoice(request: ChatRequest): JsonObject | undefined {
  const choice = request.toolChoice;
  switch (choice?.type) {
    case 'auto':
      return { auto: {} };
    case 'required':
      return { any: {} };
    case 'tool':
      return { tool: { name: choice.name } };
    case 'allowed':
      return choice.required ? { any: {} } : { auto: {} };
    default:
      return undefined;
  }
}

/**
 * Converse has no `none`, and it wants the tools of a history that holds calls: without calls the tools are
 * left out, with calls they stay and the system prompt says not to use them (WIRE §2.1 "tool_choice").
 */
function encodeTools(request: ChatRequest, profile: ModelProfile, dropped: Dropped): EncodedTools {
  const called = calledTools(request);
  const isNone = request.toolChoice?.type === 'none';
  if (isNone && called.size === 0) return { tools: [] };
  const tools: JsonObject[] = [];
  for (const tool of offeredTools(request, FORMAT, profile)) {
    tools.push(encodeTool(tool, dropped));
    if (tool.type !== 'custom' && tool.cache !== undefined) tools.push(cachePoint(tool.cache));
  }
  if (tools.length === 0) {
    const names = [...called].map((name) => toolSpec({ name }));
    return names.length === 0 ? { tools } : { tools: names, instruction: NO_TOOLS };
  }
  if (isNone) return { tools, instruction: NO_TOOLS };
  const choice = encodeChoice(request);
  return choice === undefined ? { tools } : { tools, choice };
}

interface EncodedOutput {
  readonly textFormat?: JsonObject;
  readonly tool?: JsonObject;
  readonly instruction?: string;
}

function encodeOutput(output: OutputShape, target: Target, dropped: Dropped): EncodedOutput {
  if (output.type === 'text') return {};
  if (output.type === 'json_object') {
    dropped.add('json_object (sent as an instruction)');
    return { instruction: ONLY_JSON };
  }
  const schema =
    target.profile.structuredOutput === 'json_schema' ? toClosedSchema(output.schema) : undefined;
  if (schema === undefined) {
    const description = output.description ?? 'Gives the final answer.';
    return {
      tool: toolSpec({ name: JSON_OUTPUT_TOOL, description, parameters: outputParameters(output.schema) }),
    };
  }
  const jsonSchema = compact({
    schema: JSON.stringify(schema),
    name: output.name,
    description: output.description,
  });
  return { textFormat: { type: 'json_schema', structure: { jsonSchema } } };
}

/** A model nobody described is controlled in the words the client chose. */
function controlOf(request: ChatRequest, target: Target): ReasoningControl {
  const { profile } = target;
  if (profile.family !== 'other' || request.reasoning === undefined) return profile.reasoning;
  if (request.reasoning.budgetTokens !== undefined) {
    return { kind: 'budget', min: 1, max: Number.MAX_SAFE_INTEGER, canDisable: true };
  }
  if (request.reasoning.adaptive === true || request.reasoning.effort === undefined) {
    const levels = ['low', 'medium', 'high', 'xhigh', 'max'] as const;
    return { kind: 'adaptive', levels, acceptsBudget: true };
  }
  return profile.reasoning;
}

function thinkingFields(plan: ReasoningPlan, family: string): JsonObject {
  switch (plan.type) {
    case 'omit':
      return {};
    case 'disabled':
      return { thinking: { type: 'disabled' } };
    case 'budget':
      return { thinking: { type: 'enabled', budget_tokens: plan.tokens } };
    case 'adaptive':
      return { thinking: { type: 'adaptive' } };
    case 'effort':
      if (family !== 'nova') return { reasoning_effort: plan.effort };
      return plan.effort === 'none'
        ? { reasoningConfig: { type: 'disabled' } }
        : { reasoningConfig: { type: 'enabled', maxReasoningEffort: plan.effort } };
  }
}

/** `over` wins; objects on both sides are joined one level deep. */
function join(under: JsonObject, over: JsonObject): JsonObject {
  const joined: JsonObject = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const before = joined[key];
    joined[key] = isObject(before) && isObject(value) ? { ...before, ...value } : value;
  }
  return joined;
}

function objectOf(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {};
}

interface Tuning {
  readonly inference: JsonObject;
  readonly fields: JsonObject;
  readonly effort?: string;
}

/** Claude thinks at its own temperature and takes no sampling beside it (Anthropic, "extended thinking"). */
function bareSampling(request: ChatRequest, dropped: Dropped): ChatRequest {
  const { sampling } = request;
  const topP = sampling.topP !== undefined && sampling.topP >= 0.95 ? { topP: sampling.topP } : {};
  if (sampling.temperature !== undefined && sampling.temperature !== 1) dropped.add('temperature');
  if (sampling.topK !== undefined) dropped.add('top_k');
  if (sampling.topP !== undefined && topP.topP === undefined) dropped.add('top_p');
  return { ...request, sampling: topP };
}

function encodeTuning(
  asked: ChatRequest,
  target: Target,
  facts: { readonly dropped: Dropped; readonly forced: boolean },
): Tuning {
  const { profile } = target;
  const { dropped } = facts;
  const isClaude = profile.family === 'claude';
  const maxTokens = outputLimit(asked, profile, dropped);
  let { plan, dropped: lost } = planReasoning(asked.reasoning, controlOf(asked, target), maxTokens);
  const thinks = plan.type === 'budget' || plan.type === 'adaptive';
  if (thinks && isClaude && facts.forced) {
    plan = { type: 'omit' };
    lost = ['reasoning (a tool call is required)'];
  }
  for (const note of lost) dropped.add(note);
  const request = isClaude && thinks && plan.type !== 'omit' ? bareSampling(asked, dropped) : asked;
  const limits = { profile, dropped };
  const topK = sampled(request, 'topK', limits);
  const brought = objectOf(own(request.extensions)['additionalModelRequestFields']);
  const isNova = profile.family === 'nova' || isObject(brought['inferenceConfig']);
  const topKField = topK === undefined ? {} : isNova ? { inferenceConfig: { topK } } : { top_k: topK };
  const stop = stopSequences(request, profile, dropped);
  return {
    inference: compact({
      maxTokens,
      temperature: sampled(request, 'temperature', { ...limits, min: 0, max: 1 }),
      topP: sampled(request, 'topP', limits),
      stopSequences: stop === undefined ? undefined : [...stop],
    }),
    fields: join(brought, { ...thinkingFields(plan, profile.family), ...topKField }),
    ...(plan.type === 'adaptive' && plan.effort !== undefined ? { effort: plan.effort } : {}),
  };
}

/** Tier words of other vendors, by Converse's (API reference ServiceTier). */
const TIERS: Readonly<Record<string, string>> = {
  default: 'default',
  standard: 'default',
  standard_only: 'default',
  priority: 'priority',
  flex: 'flex',
  reserved: 'reserved',
};

function encodeTier(request: ChatRequest, dropped: Dropped): JsonObject | undefined {
  const { serviceTier } = request;
  if (serviceTier === undefined || serviceTier === 'auto') return undefined;
  const type = TIERS[serviceTier];
  if (type !== undefined) return { type };
  dropped.add('service_tier');
  return undefined;
}

function filled(value: JsonObject): JsonObject | undefined {
  return Object.keys(value).length === 0 ? undefined : value;
}

/** See `ChatCodec.encodeRequest`. `model` and `stream` go into the path, never into the body. */
export function encodeRequest(asked: ChatRequest, target: Target): EncodedRequest {
  const request = fitToolNames(asked);
  const dropped: Dropped = new Set();
  noteUncarried(request, CARRIED, dropped);
  const brought = own(request.extensions);
  const { system, messages } = encodeMessages(request, {
    family: target.profile.family,
    dropped,
    names: new Set(),
  });
  const tools = encodeTools(request, target.profile, dropped);
  const output = encodeOutput(request.output, target, dropped);
  if (output.tool !== undefined) tools.tools.push(output.tool);
  const choice: JsonObject | undefined = output.tool === undefined ? tools.choice : { any: {} };
  const forced = choice !== undefined && choice['auto'] === undefined;
  const tuning = encodeTuning(request, target, { dropped, forced });
  for (const text of [output.tool === undefined ? tools.instruction : undefined, output.instruction]) {
    if (text !== undefined) system.push({ text });
  }
  const toolConfig = tools.tools.length === 0 ? {} : compact({ tools: tools.tools, toolChoice: choice });
  const outputConfig = compact({ textFormat: output.textFormat, effort: tuning.effort });
  const body = compact({
    ...brought,
    messages,
    system: system.length === 0 ? undefined : system,
    inferenceConfig: filled(join(objectOf(brought['inferenceConfig']), tuning.inference)),
    toolConfig: filled(join(objectOf(brought['toolConfig']), toolConfig)),
    outputConfig: filled(join(objectOf(brought['outputConfig']), outputConfig)),
    additionalModelRequestFields: filled(tuning.fields),
    serviceTier: encodeTier(request, dropped) ?? brought['serviceTier'],
  });
  return { body, dropped: [...dropped] };
}
