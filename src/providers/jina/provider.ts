import type { Provider } from '../provider.ts';

export const jina: Provider = {
  id: 'jina',
  name: 'Jina AI',
  env: ['JINA_API_KEY'],
  baseUrl: 'https://api.jina.ai/v1',
  auth: { type: 'bearer' },
  endpoints: {
    chat: [],
    embeddings: { format: 'jina', path: '/embeddings' },
    rerank: { format: 'jina', path: '/rerank' },
  },
  keyPrefix: 'jina_',
  console: 'https://jina.ai/api-dashboard',
};
