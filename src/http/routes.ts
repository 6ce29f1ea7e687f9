import type { ClientDialect } from '../formats/codec.ts';
import { CLIENT_DIALECTS } from '../formats/dialects.ts';
import type { Action } from './call.ts';
import { chat } from './chat.ts';
import { countTokens } from './count-tokens.ts';
import { feedback } from './feedback.ts';
import { geminiChat, geminiCountTokens } from './gemini.ts';
import { getModel, listModels } from './models.ts';
import { geminiEmbeddings, jsonOperation, transcription } from './operations.ts';
import { passthrough } from './passthrough.ts';
import { pinned } from './pinned.ts';
import { chooseModel, classifyPrompt } from './router-dialect.ts';

/** One endpoint of the data plane. What is not in {@link ROUTES} is not served. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE' | 'ANY';
  /** Segments; `{name}` takes the rest up to the next literal, slashes included. */
  readonly path: string;
  readonly codec: ClientDialect;
  readonly action: Action;
}

const OPENAI = CLIENT_DIALECTS['openai-chat'];
const ANTHROPIC = CLIENT_DIALECTS['anthropic-messages'];
const GEMINI = CLIENT_DIALECTS['gemini'];

const openai = (method: Route['method'], path: string, action: Action): Route => ({
  method,
  path,
  codec: OPENAI,
  action,
});

/** Operations besides chat in OpenAI's dialect, what is pinned to one provider, and what goes through as it is. */
const OPERATION_ROUTES: readonly Route[] = [
  openai('POST', '/v1/embeddings', jsonOperation('embeddings', 'openai')),
  openai('POST', '/v1/moderations', jsonOperation('moderations', 'openai')),
  openai('POST', '/v1/images/generations', jsonOperation('images', 'openai')),
  openai('POST', '/v1/audio/speech', jsonOperation('speech', 'openai')),
  openai('POST', '/v1/audio/transcriptions', transcription),
  openai('POST', '/v1/rerank', jsonOperation('rerank', 'rerank')),
  openai('GET', '/v1/files', pinned),
  openai('POST', '/v1/files', pinned),
  openai('GET', '/v1/files/{id}', pinned),
  openai('DELETE', '/v1/files/{id}', pinned),
  openai('GET', '/v1/files/{id}/content', pinned),
  openai('GET', '/v1/batches', pinned),
  openai('POST', '/v1/batches', pinned),
  openai('GET', '/v1/batches/{id}', pinned),
  openai('POST', '/v1/batches/{id}/cancel', pinned),
  openai('ANY', '/passthrough/{provider}/{path}', passthrough),
];

/** Every endpoint a client can call, by dialect (SURFACE, "Data plane"). */
export const ROUTES: readonly Route[] = [
  { method: 'POST', path: '/v1/chat/completions', codec: OPENAI, action: chat },
  { method: 'POST', path: '/v1/responses', codec: CLIENT_DIALECTS['openai-responses'], action: chat },
  {
    method: 'POST',
    path: '/v1/completions',
    codec: CLIENT_DIALECTS['openai-completions'],
    action: chat,
  },
  { method: 'POST', path: '/v1/messages', codec: ANTHROPIC, action: chat },
  { method: 'POST', path: '/v1/messages/count_tokens', codec: ANTHROPIC, action: countTokens },
  { method: 'GET', path: '/v1/models', codec: OPENAI, action: listModels },
  { method: 'GET', path: '/v1/models/{model}', codec: OPENAI, action: getModel },
  { method: 'POST', path: '/v1beta/models/{model}:generateContent', codec: GEMINI, action: geminiChat },
  { method: 'POST', path: '/v1beta/models/{model}:streamGenerateContent', codec: GEMINI, action: geminiChat },
  { method: 'POST', path: '/v1beta/models/{model}:countTokens', codec: GEMINI, action: geminiCountTokens },
  {
    method: 'POST',
    path: '/v1beta/models/{model}:embedContent',
    codec: GEMINI,
    action: geminiEmbeddings,
  },
  {
    method: 'POST',
    path: '/v1beta/models/{model}:batchEmbedContents',
    codec: GEMINI,
    action: geminiEmbeddings,
  },
  { method: 'GET', path: '/v1beta/models', codec: GEMINI, action: listModels },
  { method: 'GET', path: '/v1beta/models/{model}', codec: GEMINI, action: getModel },
  openai('POST', '/v1/router/classify', classifyPrompt),
  openai('POST', '/v1/router/multimodel', chooseModel),
  openai('POST', '/v1/feedback', feedback),
  ...OPERATION_ROUTES,
];

interface Compiled extends Route {
  readonly pattern: RegExp;
}

function compile(route: Route): Compiled {
  const source = route.path.replaceAll(/[.:]/g, '\\$&').replaceAll(/\{(\w+)\}/g, '(?<$1>.+)');
  return { ...route, pattern: new RegExp(`^${source}$`) };
}

/** Longer literals first, so that `…:countTokens` is not taken for a model's name. */
const PATTERNS: readonly Compiled[] = ROUTES.filter(({ path }) => path.includes('{'))
  .map(compile)
  .sort((a, b) => b.path.length - a.path.length);

/** A route with the parameters its path held, percent-decoded. */
export interface FoundRoute {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Paths without parameters, by method. */
const EXACT: ReadonlyMap<string, ReadonlyMap<string, FoundRoute>> = new Map(
  [...new Set(ROUTES.map(({ method }) => method))].map((method) => [
    method,
    new Map(
      ROUTES.filter((route) => route.method === method && !route.path.includes('{')).map((route) => [
        route.path,
        { route, params: {} },
      ]),
    ),
  ]),
);

function decodeParams(
  groups: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value)]),
    );
  } catch {
    return undefined;
  }
}

/** Finds the route of a path without its query. The path is compared as sent: no normalising, no case folding (T2). */
export function findRoute(method: string, path: string): FoundRoute | undefined {
  const exact = EXACT.get(method)?.get(path);
  if (exact !== undefined) return exact;
  for (const route of PATTERNS) {
    const match = route.method === method || route.method === 'ANY' ? route.pattern.exec(path) : null;
    if (match === null) continue;
    const params = decodeParams(match.groups ?? {});
    return params === undefined ? undefined : { route, params };
  }
  return undefined;
}

/** The method a path is served with, when it is not the one that was used. */
export function otherMethod(path: string): string | undefined {
  const exact = ROUTES.find((route) => route.path === path);
  return (exact ?? PATTERNS.find((route) => route.pattern.test(path)))?.method;
}
