import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const parasail: Provider = openaiLike({
  id: 'parasail',
  name: 'Parasail',
  env: ['PARASAIL_API_KEY'],
  baseUrl: 'https://api.parasail.io/v1',
  serves: ['completions', 'embeddings'],
  console: 'https://www.saas.parasail.io/keys',
});
