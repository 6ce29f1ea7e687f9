import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const arcee: Provider = openaiLike({
  id: 'arcee',
  name: 'Arcee AI',
  env: ['ARCEE_API_KEY'],
  baseUrl: 'https://api.arcee.ai/api/v1',
  console: 'https://api.arcee.ai',
});
