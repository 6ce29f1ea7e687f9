import type { Provider } from '../provider.ts';

export const voyage: Provider = {
  id: 'voyage',
  name: 'Voyage AI',
  env: ['VOYAGE_API_KEY'],
  baseUrl: 'https://api.voyageai.com/v1',
  auth: { type: 'bearer' },
  endpoints: {
    chat: [],
    embeddings: { format: 'voyage', path: '/embeddings' },
    rerank: { format: 'voyage', path: '/rerank' },
  },
  catalogId: 'voyageai',
  keyPrefix: 'pa-',
  console: 'https://dashboard.voyageai.com/api-keys',
};
