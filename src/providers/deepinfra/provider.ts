import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const deepinfra: Provider = openaiLike({
  id: 'deepinfra',
  name: 'DeepInfra',
  env: ['DEEPINFRA_API_KEY', 'DEEPINFRA_TOKEN'],
  baseUrl: 'https://api.deepinfra.com/v1/openai',
  serves: ['completions', 'embeddings', 'images', 'speech', 'transcriptions'],
  console: 'https://deepinfra.com/dash/api_keys',
});
