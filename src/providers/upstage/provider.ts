import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const upstage: Provider = openaiLike({
  id: 'upstage',
  name: 'Upstage',
  env: ['UPSTAGE_API_KEY'],
  baseUrl: 'https://api.upstage.ai/v1',
  serves: ['embeddings'],
  keyPrefix: 'up_',
  console: 'https://console.upstage.ai/api-keys',
});
