import { unsupported } from '../core/errors/error.ts';
import type {
  ChatRequest,
  Extensions,
  FormatId,
  ModelProfile,
  Parameter,
  Part,
  Sampling,
  Tool,
} from '../core/model/index.ts';

/** Names of parts of a request for `x-sluice-dropped`, each once, in the order they were met. */
export type Dropped = Set<string>;

const SAMPLING: Readonly<Record<keyof Sampling, string>> = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  seed: 'seed',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  logitBias: 'logit_bias',
  logprobs: 'logprobs',
  topLogprobs: 'top_logprobs',
};

const FIELDS = {
  parallelToolCalls: 'parallel_tool_calls',
  verbosity: 'verbosity',
  user: 'user',
  metadata: 'metadata',
  serviceTier: 'service_tier',
  promptCacheKey: 'prompt_cache_key',
} as const satisfies { readonly [Key in keyof ChatRequest]?: string };

/** What an encoder can say; the rest is noted by {@link noteUncarried}. */
export interface Carried {
  readonly format: FormatId;
  readonly sampling: ReadonlySet<keyof Sampling>;
  readonly fields: ReadonlySet<keyof typeof FIELDS>;
}

/**
 * Notes every plain request field that a target has no word for. Throws `unsupported_feature` for those whose
 * loss changes the meaning: several answers, and state kept at another vendor.
 */
export function noteUncarried(request: ChatRequest, carried: Carried, dropped: Dropped): void {
  if ((request.choices ?? 1) > 1) {
    throw unsupported('n', 'This model gives one answer per call; ask for one, or call it several times.');
  }
  if (request.previousResponseId !== undefined) {
    throw unsupported(
      'previous_response_id',
      'This model keeps no state between calls; send the whole conversation.',
    );
  }
  for (const key of Object.keys(SAMPLING) as (keyof Sampling)[]) {
    const value = request.sampling[key];
    if (value !== undefined && value !== false && !carried.sampling.has(key)) dropped.add(SAMPLING[key]);
  }
  for (const key of Object.keys(FIELDS) as (keyof typeof FIELDS)[]) {
    const value = request[key];
    // Parallel calls are what every model does unasked.
    if (value === undefined || (key === 'parallelToolCalls' && value === true)) continue;
    if (!carried.fields.has(key)) dropped.add(FIELDS[key]);
  }
  if (request.store === true) dropped.add('store');
  noteForeign(request.extensions, carried.format, { dropped, where: '' });
  for (const tool of request.tools) {
    if (tool.type !== 'server') noteForeign(tool.extensions, carried.format, { dropped, where: 'tools.' });
  }
}

/** Names the fields that other formats left for themselves. */
function noteForeign(
  extensions: Extensions | undefined,
  format: FormatId,
  to: { readonly dropped: Dropped; readonly where: string },
): void {
  for (const [other, fields] of Object.entries(extensions ?? {})) {
    if (other !== format) for (const key of Object.keys(fields)) to.dropped.add(to.where + key);
  }
}

const REFUSED: Readonly<Partial<Record<keyof Sampling, Parameter>>> = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  seed: 'seed',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  logprobs: 'logprobs',
};

/**
 * A sampling value within the target's range; `undefined`, with a note, where the model refuses the
 * parameter.
 */
export function sampled(
  request: ChatRequest,
  key: 'temperature' | 'topP' | 'topK' | 'seed' | 'frequencyPenalty' | 'presencePenalty',
  limits: {
    readonly profile: ModelProfile;
    readonly dropped: Dropped;
    readonly min?: number;
    readonly max?: number;
  },
): number | undefined {
  const value = request.sampling[key];
  if (value === undefined) return undefined;
  const parameter = REFUSED[key];
  if (parameter !== undefined && limits.profile.refuses.includes(parameter)) {
    limits.dropped.add(SAMPLING[key]);
    return undefined;
  }
  const given = Math.min(limits.max ?? value, Math.max(limits.min ?? value, value));
  if (given !== value) limits.dropped.add(`${SAMPLING[key]} ${value} (sent as ${given})`);
  return given;
}

/** The output limit to send, within what the model can give. */
export function outputLimit(
  request: ChatRequest,
  profile: ModelProfile,
  dropped: Dropped,
): number | undefined {
  const wish = request.maxOutputTokens;
  const most = profile.maxOutputTokens;
  if (wish === undefined || most === undefined || wish <= most) return wish;
  dropped.add(`max_tokens ${wish} (sent as ${most})`);
  return most;
}

/** The stop sequences to send. */
export function stopSequences(
  request: ChatRequest,
  profile: ModelProfile,
  dropped: Dropped,
): readonly string[] | undefined {
  if (request.stop === undefined || request.stop.length === 0) return undefined;
  if (!profile.refuses.includes('stop')) return request.stop;
  dropped.add('stop');
  return undefined;
}

/**
 * The tools to offer: all, or those an `allowed` choice names, which is the same to the model. Throws
 * `unsupported_feature` for a vendor's own tool that is not of `format`, and if the model takes no tools.
 */
export function offeredTools(request: ChatRequest, format: FormatId, profile: ModelProfile): readonly Tool[] {
  if (request.tools.length > 0 && !profile.tools) throw unsupported('tools', 'This model cannot call tools.');
  for (const [index, tool] of request.tools.entries()) {
    if (tool.type === 'server' && tool.format !== format) {
      throw unsupported(`tools[${index}]`, `This model does not have the tool \`${tool.label}\`.`);
    }
  }
  const choice = request.toolChoice;
  if (choice?.type !== 'allowed') return request.tools;
  return request.tools.filter((tool) => tool.type === 'server' || choice.names.includes(tool.name));
}

/** Notes cache marks, for targets without prompt caching by position. */
export function noteCacheMarks(request: ChatRequest, dropped: Dropped): void {
  const isMarked = (part: Part | Tool) => 'cache' in part && part.cache !== undefined;
  const marked =
    request.tools.some(isMarked) || request.messages.some((message) => message.parts.some(isMarked));
  if (marked) dropped.add('cache_control');
}
