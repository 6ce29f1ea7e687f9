import type { Provider } from '../provider.ts';

export const cohere: Provider = {
  id: 'cohere',
  name: 'Cohere',
  env: ['CO_API_KEY', 'COHERE_API_KEY'],
  baseUrl: 'https://api.cohere.com',
  baseUrlEnv: 'CO_API_URL',
  auth: { type: 'bearer' },
  endpoints: {
    chat: [{ format: 'cohere', path: '/v2/chat' }],
    embeddings: { format: 'cohere', path: '/v2/embed' },
    rerank: { format: 'cohere', path: '/v2/rerank' },
  },
  console: 'https://dashboard.cohere.com/api-keys',
};
