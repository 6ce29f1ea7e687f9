import type { Provider } from '../provider.ts';

export const gemini: Provider = {
  id: 'gemini',
  name: 'Google Gemini',
  env: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
  baseUrl: 'https://generativelanguage.googleapis.com',
  baseUrlEnv: 'GOOGLE_GEMINI_BASE_URL',
  auth: { type: 'header', header: 'x-goog-api-key' },
  endpoints: {
    chat: [
      {
        format: 'gemini',
        path: '/v1beta/models/{model}:generateContent',
        streamPath: '/v1beta/models/{model}:streamGenerateContent?alt=sse',
      },
    ],
    count_tokens: { format: 'gemini', path: '/v1beta/models/{model}:countTokens' },
    embeddings: { format: 'gemini-embeddings', path: '/v1beta/models/{model}:batchEmbedContents' },
  },
  quirks: { geminiSurface: 'ai-studio' },
  catalogId: 'google',
  keyPrefix: 'AIza',
  console: 'https://aistudio.google.com/apikey',
};
