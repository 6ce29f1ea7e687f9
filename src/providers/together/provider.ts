import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const together: Provider = openaiLike({
  id: 'together',
  name: 'Together AI',
  env: ['TOGETHER_API_KEY'],
  baseUrl: 'https://api.together.xyz/v1',
  serves: ['completions', 'embeddings', 'images', 'speech', 'transcriptions'],
  endpoints: { rerank: { format: 'cohere', path: '/rerank' } },
  // Finish reason `eos`, and `text` and `token_id` in every chunk.
  quirks: { repairStream: true, repairWhole: true },
  keyPrefix: 'tgp_',
  console: 'https://api.together.ai/settings/api-keys',
});
