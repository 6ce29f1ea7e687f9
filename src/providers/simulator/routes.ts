import type { FormatId } from '../../core/model/index.ts';

/** Calls besides chat that the simulator answers. */
export type SideOperation =
  | 'models'
  | 'embeddings'
  | 'gemini_embeddings'
  | 'moderations'
  | 'images'
  | 'speech'
  | 'transcriptions'
  | 'rerank'
  | 'cohere_embed'
  | 'ollama_embed'
  | 'count_anthropic'
  | 'count_gemini'
  | 'count_responses';

/** What a path asks for. */
export type Route =
  | {
      readonly kind: 'chat';
      readonly format: FormatId;
      /** From the path, where the format has it there. */
      readonly model?: string;
      readonly stream?: boolean;
      /** Gemini without `alt=sse`. */
      readonly isArray?: boolean;
    }
  | { readonly kind: 'side'; readonly operation: SideOperation; readonly model?: string };

const BODY_CHAT: readonly (readonly [suffix: string, format: FormatId])[] = [
  ['/chat/completions', 'openai-chat'],
  ['/responses', 'openai-responses'],
  ['/messages', 'anthropic-messages'],
  ['/v2/chat', 'cohere'],
  ['/api/chat', 'ollama'],
  ['/completions', 'openai-completions'],
];

const SIDE: readonly (readonly [suffix: string, operation: SideOperation])[] = [
  ['/messages/count_tokens', 'count_anthropic'],
  ['/responses/input_tokens', 'count_responses'],
  ['/embeddings', 'embeddings'],
  ['/moderations', 'moderations'],
  ['/images/generations', 'images'],
  ['/audio/speech', 'speech'],
  ['/audio/transcriptions', 'transcriptions'],
  ['/rerank', 'rerank'],
  ['/v2/embed', 'cohere_embed'],
  ['/api/embed', 'ollama_embed'],
];

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function geminiRoute(path: string, query: URLSearchParams): Route | undefined {
  const match = /\/models\/([^/]+):(\w+)$/.exec(path);
  if (match === null) return undefined;
  const model = decoded(match[1] ?? '');
  switch (match[2]) {
    case 'generateContent':
      return { kind: 'chat', format: 'gemini', model, stream: false };
    case 'streamGenerateContent':
      return { kind: 'chat', format: 'gemini', model, stream: true, isArray: query.get('alt') !== 'sse' };
    case 'countTokens':
      return { kind: 'side', operation: 'count_gemini', model };
    case 'embedContent':
    case 'batchEmbedContents':
      return { kind: 'side', operation: 'gemini_embeddings', model };
    default:
      return undefined;
  }
}

/** Finds what a call asks for by the end of its path, so that any prefix of a base URL works. */
export function findRoute(method: string, path: string, query: URLSearchParams): Route | undefined {
  if (method === 'GET') {
    return /\/(?:models|tags)(?:\/[^/]+)?$/.test(path) ? { kind: 'side', operation: 'models' } : undefined;
  }
  if (method !== 'POST') return undefined;
  const converse = /\/model\/([^/]+)\/converse(-stream)?$/.exec(path);
  if (converse !== null) {
    const [, model = '', streamed] = converse;
    return {
      kind: 'chat',
      format: 'bedrock-converse',
      model: decoded(model),
      stream: streamed !== undefined,
    };
  }
  const gemini = geminiRoute(path, query);
  if (gemini !== undefined) return gemini;
  const chat = BODY_CHAT.find(([suffix]) => path.endsWith(suffix));
  if (chat !== undefined) return { kind: 'chat', format: chat[1] };
  const side = SIDE.find(([suffix]) => path.endsWith(suffix));
  return side === undefined ? undefined : { kind: 'side', operation: side[1] };
}
