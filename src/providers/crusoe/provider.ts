import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const crusoe: Provider = openaiLike({
  id: 'crusoe',
  name: 'Crusoe Cloud',
  env: ['CRUSOE_API_KEY'],
  baseUrl: 'https://managed-inference-api-proxy.crusoecloud.com/v1',
  console: 'https://console.crusoecloud.com',
});
