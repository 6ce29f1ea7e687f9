import { unsupported } from '../../core/errors/error.ts';
import { type ChatRequest, isObject, type Json, type JsonObject, type Tool } from '../../core/model/index.ts';
import { nearestEffort, planReasoning } from '../../core/translation/reasoning.ts';
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
    'topLogprobs',
  ]),
  fields: new Set(),
};

const NO_PARAMETERS: JsonObject = { type: 'object', properties: {} };

function encodeTool(tool: Tool, dropped: Dropped): JsonObject {
  if (tool.type === 'server') return tool.value;
  if (tool.type === 'custom' && tool.format !== undefined) dropped.add('tools.format');
  if (tool.type === 'function' && tool.strict === true) dropped.add('tools.strict');
  const parameters = tool.type === 'custom' ? CUSTOM_TOOL_PARAMETERS : (tool.parameters ?? NO_PARAMETERS);
  const inner = compact({ name: tool.name, description: tool.description, parameters });
  return { type: 'function', function: { ...inner, ...own(tool.extensions) } };
}

/** Ollama has no tool choice: `none` leaves the tools out, and a call cannot be forced. */
function encodeTools(request: ChatRequest, target: Target, dropped: Dropped): JsonObject[] | undefined {
  const { toolChoice } = request;
  const offered = offeredTools(request, FORMAT, target.profile);
  if (toolChoice?.type === 'none' || offered.length === 0) return undefined;
  const isForced =
    toolChoice?.type === 'required' ||
    toolChoice?.type === 'tool' ||
    (toolChoice?.type === 'allowed' && toolChoice.required);
  if (isForced) {
    throw unsupported('tool_choice', 'Ollama cannot be made to call a tool; leave `tool_choice` at auto.');
  }
  return offered.map((tool) => encodeTool(tool, dropped));
}

function encodeFormat(request: ChatRequest): Json | undefined {
  const { output } = request;
  if (output.type === 'text') return undefined;
  return output.type === 'json_object' ? 'json' : output.schema;
}

/** `think` takes true and false everywhere, and a level only from models that are known to have levels. */
function encodeThink(request: ChatRequest, target: Target, dropped: Dropped): Json | undefined {
  const { reasoning } = request;
  const { profile } = target;
  const brought = own(request.extensions)['think'];
  if (reasoning === undefined) return undefined;
  if (profile.reasoning.kind === 'none' || profile.reasoning.kind === 'fixed') {
    for (const note of planReasoning(reasoning, profile.reasoning).dropped) dropped.add(note);
    return undefined;
  }
  const isOff = !reasoning.enabled || reasoning.effort === 'none' || reasoning.budgetTokens === 0;
  if (brought !== undefined && brought === reasoning.effort) return brought;
  const hasLevels = profile.reasoning.kind === 'effort' && profile.family !== 'other';
  if (!hasLevels) {
    if (!isOff && reasoning.budgetTokens !== undefined) dropped.add('reasoning budget');
    else if (!isOff && reasoning.effort !== undefined) dropped.add('reasoning effort');
    return !isOff;
  }
  const { plan, dropped: notes } = planReasoning(reasoning, profile.reasoning);
  for (const note of notes) dropped.add(note);
  if (plan.type !== 'effort') return plan.type === 'omit' ? undefined : !isOff;
  return plan.effort === 'none' ? false : (nearestEffort(plan.effort, ['low', 'medium', 'high']) ?? true);
}

/** See `ChatCodec.encodeRequest`. */
export function encodeRequest(request: ChatRequest, target: Target): EncodedRequest {
  const dropped: Dropped = new Set();
  noteUncarried(request, CARRIED, dropped);
  noteCacheMarks(request, dropped);
  const { profile } = target;
  const limits = { profile, dropped };
  const { options: left, think: _, ...brought } = own(request.extensions);
  const stop = stopSequences(request, profile, dropped);
  const options = compact({
    ...(isObject(left) ? left : {}),
    num_predict: outputLimit(request, profile, dropped) ?? (isObject(left) ? left['num_predict'] : undefined),
    temperature: sampled(request, 'temperature', { ...limits, min: 0 }),
    top_p: sampled(request, 'topP', limits),
    top_k: sampled(request, 'topK', limits),
    seed: sampled(request, 'seed', limits),
    frequency_penalty: sampled(request, 'frequencyPenalty', limits),
    presence_penalty: sampled(request, 'presencePenalty', limits),
    stop: stop === undefined ? undefined : [...stop],
  });
  const body = compact({
    ...brought,
    model: target.model,
    messages: encodeMessages(request, dropped),
    stream: request.stream,
    tools: encodeTools(request, target, dropped),
    think: encodeThink(request, target, dropped),
    format: encodeFormat(request),
    options: Object.keys(options).length === 0 ? undefined : options,
    logprobs: request.sampling.logprobs,
    top_logprobs: request.sampling.topLogprobs,
  });
  return { body, dropped: [...dropped] };
}
