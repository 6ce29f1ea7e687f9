import { unsupported } from '../../core/errors/error.ts';
import type {
  ChatRequest,
  JsonObject,
  Message,
  OutputShape,
  Parameter,
  ReasoningRequest,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { effortOfBudget, planReasoning } from '../../core/translation/reasoning.ts';
import { fitToolNames } from '../../core/translation/tool-names.ts';
import type { EncodedRequest, Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { whileThinking } from '../while-thinking.ts';
import { encodeMessages } from './messages-encode.ts';
import { Dropped, type PartTarget } from './parts-encode.ts';
import { encodeShape, encodeToolChoice, encodeTools, takesCustom } from './tools.ts';

/** OpenAI takes at most four stop sequences. */
const MAX_STOPS = 4;

/** Tier words of OpenAI and of vendors that speak its format; others mean nothing there (WIRE §2.1 "tier"). */
const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'default',
  standard: 'default',
  standard_only: 'default',
  flex: 'flex',
  priority: 'priority',
  fast: 'fast',
  scale: 'scale',
  on_demand: 'on_demand',
  performance: 'performance',
};

/** A field unless the model refuses it by name, which is noted. */
function allowed(to: PartTarget, parameter: Parameter, field: JsonObject): JsonObject {
  const [name, value] = Object.entries(field)[0] ?? [];
  if (name === undefined || value === undefined) return {};
  if (!to.target.profile.refuses.includes(parameter)) return field;
  to.dropped.add(name);
  return {};
}

function samplingFields(request: ChatRequest, to: PartTarget): JsonObject {
  const { sampling, stop } = request;
  const own = request.extensions?.['openai-chat'];
  // Not a Chat field: it goes on only if the client wrote it for a Chat vendor that has it.
  if (sampling.topK !== undefined && own?.['top_k'] === undefined) to.dropped.add('top_k');
  if (stop !== undefined && stop.length > MAX_STOPS) to.dropped.add(`stop after the first ${MAX_STOPS}`);
  const fields = {
    ...allowed(to, 'temperature', { temperature: sampling.temperature }),
    ...allowed(to, 'top_p', { top_p: sampling.topP }),
    ...allowed(to, 'seed', { [to.target.quirks.seedField ?? 'seed']: sampling.seed }),
    ...allowed(to, 'frequency_penalty', { frequency_penalty: sampling.frequencyPenalty }),
    ...allowed(to, 'presence_penalty', { presence_penalty: sampling.presencePenalty }),
    ...allowed(to, 'logit_bias', { logit_bias: sampling.logitBias }),
    ...allowed(to, 'logprobs', { logprobs: sampling.logprobs }),
    ...allowed(to, 'logprobs', { top_logprobs: sampling.topLogprobs }),
    ...allowed(to, 'stop', { stop: stop === undefined ? undefined : [...stop.slice(0, MAX_STOPS)] }),
  };
  if (request.choices === undefined) return fields;
  if (request.choices > 1 && to.target.profile.refuses.includes('n')) {
    throw unsupported('n', 'This model gives one answer per call.');
  }
  return { ...fields, ...allowed(to, 'n', { n: request.choices }) };
}

function limitFields(request: ChatRequest, to: PartTarget): JsonObject {
  const { profile, quirks } = to.target;
  let tokens = request.maxOutputTokens;
  if (tokens === undefined) return {};
  // What reasoning models refuse is the old name: the limit itself they take, and it must not be lost.
  const isOldNameRefused = profile.refuses.includes('max_tokens');
  const field = isOldNameRefused
    ? 'max_completion_tokens'
    : (quirks.maxTokensField ?? 'max_completion_tokens');
  if (profile.maxOutputTokens !== undefined && tokens > profile.maxOutputTokens) {
    to.dropped.add(`${field} ${tokens} (sent as ${profile.maxOutputTokens})`);
    tokens = profile.maxOutputTokens;
  }
  return { [field]: tokens };
}

/** Reasoning wishes in OpenRouter's `reasoning` object; its own planner knows the models. */
function openRouterReasoning(
  asked: ReasoningRequest,
  maxTokens: number | undefined,
  to: PartTarget,
): JsonObject {
  const { plan, dropped } = planReasoning(asked, to.target.profile.reasoning, maxTokens);
  for (const note of dropped) to.dropped.add(note);
  const exclude = asked.summary === 'none' ? { exclude: true } : {};
  switch (plan.type) {
    case 'disabled':
      return { reasoning: { enabled: false } };
    case 'effort':
      return { reasoning: { effort: plan.effort, ...exclude } };
    case 'budget':
      // An effort is turned into a budget there, which knows how much room the model has.
      if (asked.effort !== undefined && asked.budgetTokens === undefined) {
        return { reasoning: { effort: asked.effort, ...exclude } };
      }
      return {
        reasoning: plan.dynamic ? { enabled: true, ...exclude } : { max_tokens: plan.tokens, ...exclude },
      };
    case 'adaptive':
      return {
        reasoning: compact({ effort: plan.effort, enabled: plan.effort ? undefined : true, ...exclude }),
      };
    default:
      return 'exclude' in exclude && asked.enabled ? { reasoning: exclude } : {};
  }
}

/** `thinking: {type}`; the amount goes as `reasoning_effort` where the client named one. */
function thinkingFields(asked: ReasoningRequest, to: PartTarget): JsonObject {
  const { kind } = to.target.profile.reasoning;
  if (kind === 'none' || kind === 'fixed') {
    for (const note of planReasoning(asked, to.target.profile.reasoning).dropped) to.dropped.add(note);
    return {};
  }
  const isOn = asked.enabled && asked.effort !== 'none' && asked.budgetTokens !== 0;
  if (!isOn) return { thinking: { type: 'disabled' } };
  const { plan, dropped } = planReasoning(asked, to.target.profile.reasoning);
  for (const note of dropped) to.dropped.add(note);
  const effort =
    plan.type === 'effort' && asked.effort !== undefined ? { reasoning_effort: plan.effort } : {};
  if (asked.budgetTokens !== undefined && asked.effort === undefined) to.dropped.add('reasoning budget');
  return { thinking: { type: 'enabled' }, ...effort };
}

function reasoningFields(request: ChatRequest, to: PartTarget): JsonObject {
  const { profile, quirks } = to.target;
  const asked = request.reasoning;
  if (asked === undefined) return {};
  if (quirks.reasoningRequest === 'none') {
    if (asked.enabled) to.dropped.add('reasoning');
    return {};
  }
  if (quirks.reasoningRequest === 'openrouter') {
    return openRouterReasoning(asked, request.maxOutputTokens, to);
  }
  if (quirks.reasoningRequest === 'thinking') return thinkingFields(asked, to);
  const { plan, dropped } = planReasoning(asked, profile.reasoning);
  for (const note of dropped) to.dropped.add(note);
  const effort =
    plan.type === 'effort' || plan.type === 'adaptive'
      ? plan.effort
      : plan.type === 'budget' && plan.dynamic !== true
        ? effortOfBudget(plan.tokens)
        : plan.type === 'disabled'
          ? 'none'
          : undefined;
  if (effort === undefined) return {};
  if (profile.toolsNeedResponses === true && request.tools.length > 0 && effort !== 'none') {
    to.dropped.add('reasoning_effort (this model takes no tools with it on Chat)');
    return {};
  }
  return { reasoning_effort: effort };
}

function toolFields(request: ChatRequest, to: PartTarget): JsonObject {
  const { toolChoice, parallelToolCalls } = request;
  let { tools } = request;
  let choice = toolChoice;
  if (tools.length === 0) return {};
  if (!to.target.profile.tools) throw unsupported('tools', 'This model cannot call tools.');
  if (choice?.type === 'allowed' && !takesCustom(to.target)) {
    // Only OpenAI knows `allowed_tools`; leaving the others away says the same.
    const { names, required } = choice;
    tools = tools.filter((tool) => tool.type === 'server' || names.includes(tool.name));
    choice = { type: required ? 'required' : 'auto' };
    if (tools.length === 0) return {};
  }
  return {
    tools: encodeTools(tools, to),
    ...(choice === undefined ? {} : { tool_choice: encodeToolChoice(choice, tools, to.target) }),
    ...allowed(to, 'parallel_tool_calls', { parallel_tool_calls: parallelToolCalls }),
  };
}

/** `response_format`, or for a model without it an instruction that says the same. */
function shapeFields(output: OutputShape, to: PartTarget): { body: JsonObject; instruction?: string } {
  const native = to.target.profile.structuredOutput;
  const format = encodeShape(output);
  if (format === undefined) return { body: {} };
  if (native === 'json_schema' || output.type === native) return { body: { response_format: format } };
  to.dropped.add(`response_format ${output.type} (sent as an instruction)`);
  const schema =
    output.type === 'json_schema' ? ` that matches this JSON Schema: ${JSON.stringify(output.schema)}` : '';
  return {
    body: native === 'json_object' ? { response_format: { type: 'json_object' } } : {},
    instruction: `Answer with one JSON value${schema === '' ? ' (an object)' : schema} and nothing else.`,
  };
}

function accountFields(request: ChatRequest, to: PartTarget): JsonObject {
  const { serviceTier, user } = request;
  const tier = serviceTier === undefined ? undefined : TIERS[serviceTier];
  if (serviceTier !== undefined && tier === undefined) to.dropped.add('service_tier');
  if (request.previousResponseId !== undefined) {
    throw unsupported('previous_response_id', 'The conversation is kept at another vendor; send it whole.');
  }
  const isSafetyId =
    user !== undefined && user === request.extensions?.['openai-chat']?.['safety_identifier'];
  return {
    verbosity: request.verbosity,
    user: isSafetyId ? undefined : user,
    metadata: request.metadata,
    service_tier: tier,
    prompt_cache_key: request.promptCacheKey,
    store: request.store,
  };
}

function streamFields(request: ChatRequest, target: Target): JsonObject {
  if (!request.stream) return {};
  const kept = request.extensions?.['openai-chat']?.['stream_options'];
  if ((target.quirks.streamUsage ?? 'option') !== 'option')
    return { stream: true, stream_options: undefined };
  return { stream: true, stream_options: { ...(isObject(kept) ? kept : {}), include_usage: true } };
}

function withInstruction(messages: readonly Message[], text: string | undefined): readonly Message[] {
  if (text === undefined) return messages;
  const first = messages.findIndex((message) => message.role !== 'system');
  const at = first < 0 ? messages.length : first;
  return [
    ...messages.slice(0, at),
    { role: 'system', parts: [{ type: 'text', text }] },
    ...messages.slice(at),
  ];
}

function checkPrefill(request: ChatRequest, target: Target): void {
  if (!target.profile.refuses.includes('prefill')) return;
  if (request.messages.at(-1)?.role !== 'assistant') return;
  throw unsupported(
    'messages',
    'This model does not continue an assistant message; end with a user message.',
  );
}

/** See `ChatCodec.encodeRequest`. */
export function encodeRequest(asked: ChatRequest, target: Target): EncodedRequest {
  const request = fitToolNames(asked);
  const to: PartTarget = { target, dropped: new Dropped() };
  checkPrefill(request, target);
  to.dropped.addForeign(request.extensions, '');
  const shape = shapeFields(request.output, to);
  const { stream_options: _, thinking, ...own } = request.extensions?.['openai-chat'] ?? {};
  const reasoning = reasoningFields(request, to);
  // Unknown nested fields of `thinking` only make sense inside the object that is sent.
  if (isObject(reasoning['thinking']) && isObject(thinking)) {
    reasoning['thinking'] = { ...thinking, ...reasoning['thinking'] };
  }
  const body = compact({
    ...own,
    model: target.model,
    messages: encodeMessages(withInstruction(request.messages, shape.instruction), to),
    ...toolFields(request, to),
    ...samplingFields(request, whileThinking(to, reasoning['reasoning_effort'])),
    ...limitFields(request, to),
    ...shape.body,
    ...reasoning,
    ...accountFields(request, to),
    ...streamFields(request, target),
  });
  for (const field of target.quirks.refusedFields ?? []) {
    if (body[field] === undefined) continue;
    delete body[field];
    if (field !== 'stream_options') to.dropped.add(field);
  }
  return { body, dropped: to.dropped.list() };
}
