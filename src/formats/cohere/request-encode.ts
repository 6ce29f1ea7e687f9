import { unsupported } from '../../core/errors/error.ts';
import type { ChatRequest, JsonObject, OutputShape, ReasoningControl, Tool } from '../../core/model/index.ts';
import { planReasoning } from '../../core/translation/reasoning.ts';
import type { EncodedRequest, Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { CUSTOM_TOOL_PARAMETERS } from '../tool-bridge.ts';
import {
  type Carried,
  type Dropped,
  noteCacheMarks,
  noteUncarried,
  offeredTools,
  outputLimit,
  sampled,
  stopSequences,
} from '../uncarried.ts';
import { encodeMessages } from './messages-encode.ts';
import { FORMAT, own } from './wire.ts';

const CARRIED: Carried = {
  format: FORMAT,
  sampling: new Set([
    'temperature',
    'topP',
    'topK',
    'seed',
    'frequencyPenalty',
    'presencePenalty',
    'logprobs',
  ]),
  fields: new Set(),
};

const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} };

function encodeTool(tool: Tool, dropped: Dropped): JsonObject {
  if (tool.type === 'server') return tool.value;
  if (tool.type === 'custom' && tool.format !== undefined) dropped.add('tools.format');
  const parameters = tool.type === 'custom' ? CUSTOM_TOOL_PARAMETERS : (tool.parameters ?? NO_PARAMETERS);
  const inner = compact({ name: tool.name, description: tool.description, parameters });
  return { type: 'function', function: { ...inner, ...own(tool.extensions) } };
}

interface EncodedTools {
  readonly tools: readonly JsonObject[];
  readonly choice?: string;
  readonly strict?: boolean;
}

/** `strict_tools` is one word for all tools: it is said only where they agree. */
function strictness(tools: readonly Tool[], dropped: Dropped): { readonly strict?: boolean } {
  const words = new Set(tools.map((tool) => (tool.type === 'function' ? tool.strict : undefined)));
  const [only] = words;
  if (words.size === 1) return only === undefined ? {} : { strict: only };
  if (words.has(true)) dropped.add('tools.strict');
  return {};
}

/** A choice of one tool is that tool alone with `REQUIRED`, because Cohere has no word for it. */
function encodeTools(request: ChatRequest, target: Target, dropped: Dropped): EncodedTools {
  const { toolChoice } = request;
  let offered = offeredTools(request, FORMAT, target.profile);
  if (toolChoice?.type === 'tool') {
    offered = offered.filter((tool) => tool.type !== 'server' && tool.name === toolChoice.name);
    if (offered.length === 0) {
      throw unsupported('tool_choice', `The tool \`${toolChoice.name}\` is not among the tools.`);
    }
  }
  const tools = offered.map((tool) => encodeTool(tool, dropped));
  const strict = strictness(offered, dropped);
  const isForced =
    toolChoice?.type === 'required' ||
    toolChoice?.type === 'tool' ||
    (toolChoice?.type === 'allowed' && toolChoice.required);
  if (tools.length === 0 && !isForced) return { tools };
  if (isForced) return { tools, choice: 'REQUIRED', ...strict };
  return toolChoice?.type === 'none' ? { tools, choice: 'NONE', ...strict } : { tools, ...strict };
}

function encodeOutput(output: OutputShape): JsonObject | undefined {
  if (output.type === 'text') return undefined;
  if (output.type === 'json_object') return { type: 'json_object' };
  return { type: 'json_object', json_schema: output.schema };
}

/** Cohere's `thinking` is a switch with an optional budget, whatever else the catalog knows of the model. */
function controlOf(control: ReasoningControl): ReasoningControl {
  if (control.kind === 'none' || control.kind === 'fixed' || control.kind === 'budget') return control;
  return { kind: 'budget', min: 1, max: Number.MAX_SAFE_INTEGER, canDisable: true };
}

function encodeThinking(
  request: ChatRequest,
  target: Target,
  facts: { readonly maxTokens: number | undefined; readonly dropped: Dropped },
): JsonObject | undefined {
  const { reasoning } = request;
  const { plan, dropped } = planReasoning(reasoning, controlOf(target.profile.reasoning), facts.maxTokens);
  for (const note of dropped) facts.dropped.add(note);
  if (plan.type === 'disabled') return { type: 'disabled' };
  if (plan.type !== 'budget') return undefined;
  return plan.dynamic === true ? { type: 'enabled' } : { type: 'enabled', token_budget: plan.tokens };
}

/** See `ChatCodec.encodeRequest`. */
export function encodeRequest(request: ChatRequest, target: Target): EncodedRequest {
  const dropped: Dropped = new Set();
  noteUncarried(request, CARRIED, dropped);
  noteCacheMarks(request, dropped);
  const { profile } = target;
  const limits = { profile, dropped };
  const tools = encodeTools(request, target, dropped);
  const maxTokens = outputLimit(request, profile, dropped);
  const stop = stopSequences(request, profile, dropped);
  const body = compact({
    ...own(request.extensions),
    model: target.model,
    messages: encodeMessages(request, dropped),
    stream: request.stream,
    tools: tools.tools.length === 0 ? undefined : [...tools.tools],
    tool_choice: tools.choice,
    strict_tools: tools.strict,
    response_format: encodeOutput(request.output),
    thinking: encodeThinking(request, target, { maxTokens, dropped }),
    max_tokens: maxTokens,
    stop_sequences: stop === undefined ? undefined : [...stop],
    temperature: sampled(request, 'temperature', { ...limits, min: 0 }),
    // Cohere's ranges (API reference, Chat): p 0.01 to 0.99, k 0 to 500, penalties 0 to 1.
    p: sampled(request, 'topP', { ...limits, min: 0.01, max: 0.99 }),
    k: sampled(request, 'topK', { ...limits, min: 0, max: 500 }),
    seed: sampled(request, 'seed', limits),
    frequency_penalty: sampled(request, 'frequencyPenalty', { ...limits, min: 0, max: 1 }),
    presence_penalty: sampled(request, 'presencePenalty', { ...limits, min: 0, max: 1 }),
    logprobs: request.sampling.logprobs,
  });
  return { body, dropped: [...dropped] };
}
