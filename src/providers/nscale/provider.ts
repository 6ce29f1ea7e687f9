import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const nscale: Provider = openaiLike({
  id: 'nscale',
  name: 'Nscale',
  env: ['NSCALE_API_KEY', 'NSCALE_SERVICE_TOKEN'],
  baseUrl: 'https://inference.api.nscale.com/v1',
  serves: ['embeddings', 'images'],
  console: 'https://console.nscale.com',
});
