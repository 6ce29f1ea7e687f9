import { estimateTokens } from '../../core/cost/estimate.ts';
import type {
  ChatRequest,
  FormatId,
  Message,
  OutputPart,
  Part,
  Tool,
  Usage,
} from '../../core/model/index.ts';
import { hashHex } from './seed.ts';

/** Tokens around each message, as chat templates add them. */
const PER_MESSAGE = 4;
const PER_MEDIA: Readonly<Record<string, number>> = { image: 765, document: 1500, audio: 400, video: 2500 };
/** Vendors cache nothing shorter. */
const LEAST_CACHED = 1024;

function partTokens(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'refusal':
    case 'reasoning':
      return estimateTokens(part.text);
    case 'tool_call':
      return estimateTokens(part.name) + estimateTokens(part.arguments) + 6;
    case 'tool_result':
      return part.content.reduce((sum, inner) => sum + partTokens(inner), 6);
    case 'opaque':
      return estimateTokens(JSON.stringify(part.value));
    default:
      if (part.source.kind === 'text') return estimateTokens(part.source.text);
      return PER_MEDIA[part.type] ?? 500;
  }
}

function messageTokens(message: Message): number {
  return message.parts.reduce((sum, part) => sum + partTokens(part), PER_MESSAGE);
}

function toolTokens(tool: Tool): number {
  return estimateTokens(JSON.stringify(tool)) + 8;
}

/** Tokens of a whole prompt. */
export function countPrompt(request: ChatRequest): number {
  const tools = request.tools.reduce((sum, tool) => sum + toolTokens(tool), 0);
  return request.messages.reduce((sum, message) => sum + messageTokens(message), tools) + 3;
}

/** Tokens of one answer part. */
export function countOutput(part: OutputPart): number {
  return partTokens(part);
}

/** Whether prompts starting with this prefix were served lately; the server keeps that memory. */
export type KnownPrefix = (hash: string) => boolean;

/** How a prompt meets the cache. */
export interface CachePlan {
  readonly read: number;
  readonly write5m: number;
  readonly write1h: number;
  /** Prefixes that are warm after this call. */
  readonly remember: readonly string[];
}

interface Prefix {
  readonly hash: string;
  readonly tokens: number;
  readonly ttl: '5m' | '1h' | undefined;
}

/** The prompt's beginnings, one per tool list and message, shortest first. */
function prefixesOf(request: ChatRequest): Prefix[] {
  let tokens = request.tools.reduce((sum, tool) => sum + toolTokens(tool), 0);
  let hash = hashHex(`${request.model}\n${JSON.stringify(request.tools)}`);
  const toolMark = request.tools.findLast((tool) => 'cache' in tool && tool.cache !== undefined);
  const prefixes: Prefix[] = [
    { hash, tokens, ttl: toolMark !== undefined && 'cache' in toolMark ? toolMark.cache?.ttl : undefined },
  ];
  for (const message of request.messages) {
    for (const part of message.parts) {
      const { cache, ...content } = part;
      hash = hashHex(`${hash}${message.role}${JSON.stringify(content)}`);
      tokens += partTokens(part);
      prefixes.push({ hash, tokens, ttl: cache?.ttl });
    }
    tokens += PER_MESSAGE;
  }
  return prefixes.filter((prefix) => prefix.tokens >= LEAST_CACHED);
}

const NOTHING: CachePlan = { read: 0, write5m: 0, write1h: 0, remember: [] };

/** Claude caches where it is told to; the others cache repeated beginnings by themselves, Cohere and Ollama nothing. */
export function planCache(request: ChatRequest, format: FormatId, known: KnownPrefix): CachePlan {
  if (format === 'cohere' || format === 'ollama') return NOTHING;
  const prefixes = prefixesOf(request);
  const isMarked = format === 'anthropic-messages' || format === 'bedrock-converse';
  if (!isMarked) {
    const hit = prefixes.findLast(({ hash }) => known(hash))?.tokens ?? 0;
    // OpenAI counts cached tokens in steps of 128 from 1,024 (prompt caching guide).
    return { ...NOTHING, read: hit - (hit % 128), remember: prefixes.map(({ hash }) => hash) };
  }
  const marked = prefixes.filter(({ ttl }) => ttl !== undefined);
  const read = marked.findLast(({ hash }) => known(hash))?.tokens ?? 0;
  let [before, write5m, write1h] = [read, 0, 0];
  for (const { tokens, ttl } of marked) {
    if (tokens <= before) continue;
    if (ttl === '1h') write1h += tokens - before;
    else write5m += tokens - before;
    before = tokens;
  }
  return { read, write5m, write1h, remember: marked.map(({ hash }) => hash) };
}

/** The usage of a call in disjoint classes. */
export function usageOf(
  prompt: number,
  cache: CachePlan,
  answers: readonly (readonly OutputPart[])[],
): Usage {
  const parts = answers.flat();
  const sum = (list: readonly OutputPart[]): number =>
    list.reduce((total, part) => total + countOutput(part), 0);
  const cached = cache.read + cache.write5m + cache.write1h;
  return {
    input: Math.max(0, prompt - cached),
    cacheRead: cache.read,
    cacheWrite5m: cache.write5m,
    cacheWrite1h: cache.write1h,
    output: sum(parts),
    reasoning: sum(parts.filter(({ type }) => type === 'reasoning')),
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
  };
}
