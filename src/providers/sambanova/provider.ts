import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const sambanova: Provider = openaiLike({
  id: 'sambanova',
  name: 'SambaNova',
  env: ['SAMBANOVA_API_KEY'],
  baseUrl: 'https://api.sambanova.ai/v1',
  serves: ['embeddings', 'transcriptions'],
  console: 'https://cloud.sambanova.ai/apis',
});
