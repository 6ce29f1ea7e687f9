import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const siliconflow: Provider = openaiLike({
  id: 'siliconflow',
  name: 'SiliconFlow',
  env: ['SILICONFLOW_API_KEY'],
  baseUrl: 'https://api.siliconflow.com/v1',
  serves: ['completions', 'embeddings', 'images', 'speech', 'transcriptions'],
  endpoints: { rerank: { format: 'jina', path: '/rerank' } },
  quirks: { reasoningReplay: 'reasoning_content' },
  console: 'https://cloud.siliconflow.com/account/ak',
});
