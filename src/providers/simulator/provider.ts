import type { UpstreamFormat } from '../../core/model/index.ts';
import type { Endpoint, Provider } from '../provider.ts';
import { FAMILIES } from './models.ts';

const PATHS: Readonly<Record<UpstreamFormat, { readonly path: string; readonly streamPath?: string }>> = {
  'openai-chat': { path: '/v1/chat/completions' },
  'openai-responses': { path: '/v1/responses' },
  'anthropic-messages': { path: '/v1/messages' },
  gemini: {
    path: '/v1beta/models/{model}:generateContent',
    streamPath: '/v1beta/models/{model}:streamGenerateContent?alt=sse',
  },
  'bedrock-converse': { path: '/model/{model}/converse', streamPath: '/model/{model}/converse-stream' },
  cohere: { path: '/v2/chat' },
  ollama: { path: '/api/chat' },
};

/** A model name belongs to one family, so that the gateway has to translate between dialect and format. */
const chat: readonly Endpoint[] = FAMILIES.map(({ name, format }) => ({
  format,
  ...PATHS[format],
  models: `^(?:sim/)?${name}(?:[-~]|$)`,
}));

/** The built-in simulator: answers in every wire format, for demo mode, tests and load. */
export const simulator: Provider = {
  id: 'sim',
  name: 'Simulator',
  env: [],
  baseUrl: undefined,
  auth: { type: 'none' },
  endpoints: {
    chat,
    count_tokens: {
      format: 'anthropic-messages',
      path: '/v1/messages/count_tokens',
      free: true,
      models: 'claude',
    },
    completions: { format: 'openai', path: '/v1/completions' },
    embeddings: { format: 'openai', path: '/v1/embeddings' },
    moderations: { format: 'openai', path: '/v1/moderations' },
    images: { format: 'openai', path: '/v1/images/generations' },
    speech: { format: 'openai', path: '/v1/audio/speech' },
    transcriptions: { format: 'openai', path: '/v1/audio/transcriptions' },
    rerank: { format: 'cohere', path: '/v2/rerank' },
  },
  local: true,
};
