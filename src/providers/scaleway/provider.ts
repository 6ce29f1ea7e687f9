import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const scaleway: Provider = openaiLike({
  id: 'scaleway',
  name: 'Scaleway Generative APIs',
  env: ['SCW_SECRET_KEY'],
  baseUrl: 'https://api.scaleway.ai/v1',
  serves: ['embeddings', 'transcriptions'],
  console: 'https://console.scaleway.com/iam/api-keys',
});
