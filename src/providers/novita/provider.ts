import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const novita: Provider = openaiLike({
  id: 'novita',
  name: 'Novita AI',
  env: ['NOVITA_API_KEY'],
  baseUrl: 'https://api.novita.ai/v3/openai',
  serves: ['completions', 'embeddings'],
  console: 'https://novita.ai/settings/key-management',
});
