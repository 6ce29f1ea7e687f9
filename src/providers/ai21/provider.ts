import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const ai21: Provider = openaiLike({
  id: 'ai21',
  name: 'AI21 Labs',
  env: ['AI21_API_KEY'],
  baseUrl: 'https://api.ai21.com/studio/v1',
  console: 'https://studio.ai21.com/account/api-key',
});
