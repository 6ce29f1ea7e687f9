import { type ChatRequest, isObject, type Json, type JsonObject } from '../core/model/index.ts';
import type { PolicyFacts, Reach } from '../core/policy/policy-check.ts';
import { asBuffer } from '../formats/bytes.ts';
import type { Called, Direct } from './call.ts';
import type { Exchange, Grant, Principal, Received } from './exchange.ts';
import type { Deployment } from './runtime.ts';

/** An exchange whose model is known. */
export type Granted = Exchange & { readonly principal: Principal; readonly grant: Grant };

type Parameters = Record<string, Json | undefined>;

/** Where a deployment processes what it is sent. */
export function reachOf(deployment: Deployment): Reach {
  return { provider: deployment.provider.name, region: deployment.provider.region };
}

/** The canonical request's settings by their usual names; what no dialect shares stands by the client's own name. */
function chatParameters(body: JsonObject, request: ChatRequest): Parameters {
  const { sampling, reasoning } = request;
  return {
    ...body,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    seed: sampling.seed,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    logit_bias: sampling.logitBias,
    logprobs: sampling.logprobs,
    top_logprobs: sampling.topLogprobs,
    stop: request.stop === undefined ? undefined : [...request.stop],
    n: request.choices,
    max_tokens: request.maxOutputTokens,
    reasoning: reasoning === undefined ? undefined : (reasoning.effort ?? reasoning.enabled),
    reasoning_effort: reasoning?.effort,
    response_format: request.output.type === 'text' ? undefined : request.output.type,
    parallel_tool_calls: request.parallelToolCalls,
    tool_choice: request.toolChoice?.type,
    verbosity: request.verbosity,
    service_tier: request.serviceTier,
    store: request.store,
    previous_response_id: request.previousResponseId,
    stream: request.stream,
  };
}

function chatTools(request: ChatRequest): readonly string[] {
  return request.tools.map((tool) => (tool.type === 'server' ? tool.label : tool.name));
}

/** Objects in which vendors keep settings. */
const NESTED = ['generationConfig', 'generation_config', 'inferenceConfig', 'options'] as const;

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Settings of a body in a format nobody decodes. */
function looseParameters(body: JsonObject): Parameters {
  const found: Parameters = {};
  const take = (settings: JsonObject): void => {
    for (const [name, value] of Object.entries(settings)) found[snake(name)] = value;
  };
  for (const name of NESTED) {
    const settings = body[name];
    if (isObject(settings)) take(settings);
  }
  take(body);
  return found;
}

/** Names of tools in a body in a format nobody decodes: whatever `name` stands below `tools`, else its `type`. */
function looseTools(value: Json | undefined, depth = 0): readonly string[] {
  if (depth > 6) return [];
  if (Array.isArray(value)) return value.flatMap((entry) => looseTools(entry, depth + 1));
  if (!isObject(value)) return [];
  if (typeof value['name'] === 'string') return [value['name']];
  const inner = Object.values(value).flatMap((entry) => looseTools(entry, depth + 1));
  if (inner.length > 0) return inner;
  return typeof value['type'] === 'string' ? [value['type']] : Object.keys(value);
}

/** The object that a body holds, whatever it says it is; `undefined` where there is none. */
export function looseBody(raw: Uint8Array): JsonObject | undefined {
  try {
    const value = JSON.parse(asBuffer(raw).toString('utf8')) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Needs only what costs nothing to know. */
function plainFacts(exchange: Granted): PolicyFacts {
  return {
    chat: exchange.operation === 'chat',
    opaque: false,
    parameters: {},
    maxOutputTokens: exchange.envelope.maxOutputTokens,
    tools: [],
    tags: exchange.client.tags,
    reach: exchange.grant.route.deployments.map(reachOf),
  };
}

function directFacts(exchange: Direct & Granted): PolicyFacts {
  const plain = plainFacts(exchange);
  const { method } = exchange.target;
  if (method === 'GET' || method === 'HEAD' || method === 'DELETE' || method === 'OPTIONS') return plain;
  const body = looseBody(exchange.raw);
  const tools = body === undefined ? undefined : (body['tools'] ?? body['toolConfig']);
  return {
    ...plain,
    opaque: true,
    parameters: body === undefined ? {} : looseParameters(body),
    tools: looseTools(tools),
  };
}

function isDirect(exchange: Granted): exchange is Granted & Direct {
  return 'target' in exchange;
}

/** What a policy has to know of a request. `whole`: parameters and tools too, for which the body is decoded. */
export function policyFacts(exchange: Granted, whole: boolean): PolicyFacts {
  if (isDirect(exchange)) return directFacts(exchange);
  const plain = plainFacts(exchange);
  if (!whole) return plain;
  if (exchange.operation !== 'chat') {
    return { ...plain, parameters: (exchange as Granted & Called).body };
  }
  const { codec, body } = exchange as Granted & Received;
  const request = codec.decodeRequest(body);
  return { ...plain, parameters: chatParameters(body, request), tools: chatTools(request) };
}
