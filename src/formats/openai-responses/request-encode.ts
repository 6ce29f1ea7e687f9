import { unsupported } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  isObject,
  type Json,
  type JsonObject,
  type Parameter,
} from '../../core/model/index.ts';
import { effortOfBudget, planReasoning, type ReasoningPlan } from '../../core/translation/reasoning.ts';
import { fitToolNames } from '../../core/translation/tool-names.ts';
import type { EncodedRequest, Target } from '../codec.ts';
import { compact } from '../fields.ts';
import { whileThinking } from '../while-thinking.ts';
import { encodeInput } from './input-encode.ts';
import { encodeFormat } from './output-shape.ts';
import { encodeToolChoice, encodeTools } from './tools.ts';
import { Dropped, INCLUDE_LOGPROBS, INCLUDE_REASONING, ownFields } from './wire.ts';

/** Smallest `max_output_tokens` the API takes (S, WIRE §2.1). */
const MIN_OUTPUT_TOKENS = 16;

/** Tier words of this API, by every dialect's word for the same; others are not sent on. */
const TIERS: Readonly<Record<string, string>> = {
  auto: 'auto',
  default: 'default',
  standard: 'default',
  standard_only: 'default',
  flex: 'flex',
  priority: 'priority',
  fast: 'fast',
  scale: 'scale',
};

/** Extension fields that are merged or written under a rule of their own. */
const SPECIAL: ReadonlySet<string> = new Set([
  'text',
  'reasoning',
  'include',
  'tool_choice',
  'safety_identifier',
]);

/** One request on its way out. */
interface Encoding {
  readonly request: ChatRequest;
  readonly target: Target;
  readonly dropped: Dropped;
  /** Fields kept for this format; `undefined` if the request came in another dialect. */
  readonly own: JsonObject | undefined;
}

/** A value unless the model refuses the parameter, which is noted. */
function allowed<T extends Json>(
  { target, dropped }: Encoding,
  parameter: Parameter,
  field: { readonly name: string; readonly value: T | undefined },
): T | undefined {
  if (field.value === undefined || !target.profile.refuses.includes(parameter)) return field.value;
  dropped.add(field.name);
  return undefined;
}

function samplingFields(encoding: Encoding): JsonObject {
  const { request, dropped } = encoding;
  const { sampling } = request;
  const absent = {
    top_k: sampling.topK,
    seed: sampling.seed,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    logit_bias: sampling.logitBias,
    // No field here; many clients always send it, so it is left out aloud rather than refused.
    stop: request.stop,
  };
  for (const [name, value] of Object.entries(absent)) if (value !== undefined) dropped.add(name);
  if (request.choices !== undefined && request.choices > 1) {
    throw unsupported('n', 'This model gives one answer per call over the Responses API. Send `n: 1`.');
  }
  return {
    temperature: allowed(encoding, 'temperature', { name: 'temperature', value: sampling.temperature }),
    top_p: allowed(encoding, 'top_p', { name: 'top_p', value: sampling.topP }),
    top_logprobs: allowed(encoding, 'logprobs', { name: 'top_logprobs', value: sampling.topLogprobs }),
  };
}

function limitField({ request, target, dropped }: Encoding): number | undefined {
  const asked = request.maxOutputTokens;
  if (asked === undefined) return undefined;
  const ceiling = target.profile.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const sent = Math.min(Math.max(asked, MIN_OUTPUT_TOKENS), Math.max(ceiling, MIN_OUTPUT_TOKENS));
  if (sent !== asked) dropped.add(`max_output_tokens ${asked} (sent as ${sent})`);
  return sent;
}

function effortOf(plan: ReasoningPlan): string | undefined {
  switch (plan.type) {
    case 'effort':
    case 'adaptive':
      return plan.effort;
    case 'disabled':
      return 'none';
    case 'budget':
      return plan.dynamic === true ? undefined : effortOfBudget(plan.tokens);
    default:
      return undefined;
  }
}

function reasoningField({ request, target, dropped, own }: Encoding): JsonObject | undefined {
  const asked = request.reasoning;
  const rest = isObject(own?.['reasoning']) ? own['reasoning'] : undefined;
  if (asked === undefined) return rest;
  if (target.quirks.reasoningRequest === 'none') {
    if (asked.enabled) dropped.add('reasoning');
    return undefined;
  }
  const { plan, dropped: notes } = planReasoning(
    asked,
    target.profile.reasoning,
    request.maxOutputTokens ?? target.defaultMaxOutputTokens,
  );
  for (const note of notes) dropped.add(note);
  if (target.profile.reasoning.kind === 'none') return undefined;
  const effort = effortOf(plan);
  const wantsSummary = asked.enabled && effort !== 'none' && asked.summary !== 'none';
  const field = compact({ effort, summary: wantsSummary ? asked.summary : undefined, ...rest });
  return Object.keys(field).length === 0 ? undefined : field;
}

function toolFields(encoding: Encoding): JsonObject {
  const { request, dropped, target } = encoding;
  // Choice and parallelism without tools are answered with a 400.
  if (request.tools.length === 0) return {};
  if (!target.profile.tools) throw unsupported('tools', 'This model cannot call tools.');
  for (const tool of request.tools) {
    if (tool.type !== 'server') dropped.addForeign(tool, 'tools');
    if (tool.type !== 'custom' && tool.cache !== undefined) dropped.add('cache_control');
  }
  return {
    tools: encodeTools(request),
    tool_choice: encodeToolChoice(request),
    parallel_tool_calls: allowed(encoding, 'parallel_tool_calls', {
      name: 'parallel_tool_calls',
      value: request.parallelToolCalls,
    }),
  };
}

function textField(encoding: Encoding): JsonObject | undefined {
  const { request, own } = encoding;
  const { output } = request;
  const rest = isObject(own?.['text']) ? own['text'] : {};
  const field = compact({
    format: output.type === 'text' ? undefined : encodeFormat(output),
    verbosity: request.verbosity,
    ...rest,
  });
  return Object.keys(field).length === 0 ? undefined : field;
}

/** This API stores by default, others do not: a request of another dialect is not stored unless it says so. */
function storeField({ request, own }: Encoding): boolean | undefined {
  if (request.store !== undefined || own !== undefined) return request.store;
  return request.previousResponseId === undefined ? false : undefined;
}

/** Without storage the vendor's reasoning state has to travel with the conversation, so it is asked for. */
function includeField(
  { request, own, target }: Encoding,
  reasons: boolean,
  store: boolean | undefined,
): Json[] | undefined {
  const include: Json[] = Array.isArray(own?.['include']) ? [...own['include']] : [];
  const wants = (value: string) => {
    if (!include.includes(value)) include.push(value);
  };
  if (store === false && reasons && target.profile.reasoning.kind !== 'none') wants(INCLUDE_REASONING);
  if (request.sampling.logprobs === true && !target.profile.refuses.includes('logprobs'))
    wants(INCLUDE_LOGPROBS);
  return include.length === 0 && !Array.isArray(own?.['include']) ? undefined : include;
}

function accountFields({ request, dropped, own }: Encoding): JsonObject {
  const { serviceTier, user } = request;
  // A word of this dialect's own client is the vendor's business, a foreign one needs a translation.
  const tier =
    serviceTier === undefined
      ? undefined
      : (TIERS[serviceTier] ?? (own === undefined ? undefined : serviceTier));
  if (serviceTier !== undefined && tier === undefined) dropped.add('service_tier');
  const chat = request.extensions?.['openai-chat'];
  const safety = own?.['safety_identifier'] ?? chat?.['safety_identifier'];
  // A request that names its user only so was read as if it had named the user.
  const isOnlyName = own?.['safety_identifier'] === null || (user !== undefined && user === safety);
  return {
    previous_response_id: request.previousResponseId,
    metadata: request.metadata,
    ...(isOnlyName ? { safety_identifier: user } : { user, safety_identifier: safety }),
    ...(own === undefined ? { prompt_cache_retention: chat?.['prompt_cache_retention'] } : {}),
    prompt_cache_key: request.promptCacheKey,
    service_tier: tier,
  };
}

function unknownOwn(own: JsonObject | undefined): JsonObject {
  const rest: JsonObject = {};
  for (const key of Object.keys(own ?? {})) if (!SPECIAL.has(key)) rest[key] = own?.[key];
  return rest;
}

function checkPrefill({ request, target }: Encoding): void {
  if (!target.profile.refuses.includes('prefill')) return;
  const last = request.messages.at(-1);
  if (last?.role !== 'assistant' || !last.parts.some((part) => part.type === 'text')) return;
  throw unsupported(
    'messages',
    'This model does not continue an assistant message; end with a user message.',
  );
}

/** See `ChatCodec.encodeRequest`; the rules are WIRE §2.1, column Resp. */
export function encodeRequest(asked: ChatRequest, target: Target): EncodedRequest {
  const request = fitToolNames(asked);
  const encoding: Encoding = { request, target, dropped: new Dropped(), own: ownFields(request) };
  const { dropped, own } = encoding;
  checkPrefill(encoding);
  dropped.addForeign(request);
  const input = encodeInput(request, target, dropped);
  const store = storeField(encoding);
  const reasoning = reasoningField(encoding);
  const reasons = input.replaysReasoning || request.reasoning?.enabled === true;
  const thinking = whileThinking(encoding, reasoning?.['effort']);
  const body = compact({
    ...unknownOwn(own),
    model: target.model,
    instructions: input.instructions,
    input: [...input.items],
    ...toolFields(encoding),
    ...samplingFields(thinking),
    max_output_tokens: limitField(encoding),
    text: textField(encoding),
    reasoning,
    include: includeField(thinking, reasons, store),
    store,
    ...accountFields(encoding),
    stream: request.stream ? true : undefined,
  });
  for (const field of target.quirks.refusedFields ?? []) {
    if (body[field] === undefined) continue;
    delete body[field];
    dropped.add(field);
  }
  return { body, dropped: dropped.list() };
}
