import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const venice: Provider = openaiLike({
  id: 'venice',
  name: 'Venice AI',
  env: ['VENICE_API_KEY'],
  baseUrl: 'https://api.venice.ai/api/v1',
  serves: ['embeddings', 'images', 'speech'],
  console: 'https://venice.ai/settings/api',
});
