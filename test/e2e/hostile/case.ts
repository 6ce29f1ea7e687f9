/** A request that must be refused, or at least survived. */
export interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path: string;
  /** Added to the usual ones; `undefined` takes one away. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: string | Buffer;
  /** Statuses that are right; without it any from 400 to 499. */
  readonly status?: readonly number[];
  /** What the error has to name. */
  readonly field?: string;
  /** Whether an answer is as lawful as a refusal: all that counts is that nothing breaks. */
  readonly mayPass?: boolean;
}

/** How errors look, by the shape of a dialect. */
export type ErrorShape = 'openai' | 'anthropic' | 'gemini' | 'admin';

/** The shape errors of a path must have. */
export function shapeOf(path: string): ErrorShape {
  if (/^\/(api|health|metrics)/.test(path)) return 'admin';
  if (/^(\/gemini)?\/v1beta\//.test(path)) return 'gemini';
  return /^(\/anthropic)?\/v1\/messages/.test(path) ? 'anthropic' : 'openai';
}

/** An endpoint with a body that is right. */
export interface Target {
  readonly name: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const messages = [{ role: 'user', content: 'Say hello.' }];
const contents = [{ role: 'user', parts: [{ text: 'Say hello.' }] }];

/** Every chat dialect, forwarded to a provider of its own format. */
export const SAME: readonly Target[] = [
  { name: 'chat', path: '/v1/chat/completions', body: { model: 'chat', messages } },
  { name: 'responses', path: '/v1/responses', body: { model: 'responses', input: 'Say hello.' } },
  { name: 'messages', path: '/v1/messages', body: { model: 'claude', max_tokens: 16, messages } },
  { name: 'gemini', path: '/v1beta/models/gem:generateContent', body: { contents } },
];

/** The same, translated for a provider of another format. */
export const ACROSS: readonly Target[] = [
  { name: 'chat across', path: '/v1/chat/completions', body: { model: 'claude', messages } },
  { name: 'responses across', path: '/v1/responses', body: { model: 'chat', input: 'Say hello.' } },
  { name: 'completions', path: '/v1/completions', body: { model: 'chat', prompt: 'Say hello.' } },
  { name: 'messages across', path: '/v1/messages', body: { model: 'chat', max_tokens: 16, messages } },
  { name: 'gemini across', path: '/v1beta/models/chat:generateContent', body: { contents } },
];

/** Endpoints besides chat. */
export const OPERATIONS: readonly Target[] = [
  { name: 'embeddings', path: '/v1/embeddings', body: { model: 'chat', input: 'a' } },
  { name: 'moderations', path: '/v1/moderations', body: { model: 'chat', input: 'a' } },
  { name: 'images', path: '/v1/images/generations', body: { model: 'chat', prompt: 'a' } },
  { name: 'speech', path: '/v1/audio/speech', body: { model: 'chat', input: 'a', voice: 'alloy' } },
  { name: 'rerank', path: '/v1/rerank', body: { model: 'chat', query: 'a', documents: ['b'] } },
];

export const CHATS: readonly Target[] = [...SAME, ...ACROSS];
export const ALL: readonly Target[] = [...CHATS, ...OPERATIONS];
