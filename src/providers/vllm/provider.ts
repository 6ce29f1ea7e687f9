import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const vllm: Provider = openaiLike({
  id: 'vllm',
  name: 'vLLM',
  env: ['VLLM_API_KEY'],
  baseUrl: 'http://127.0.0.1:8000/v1',
  serves: ['completions', 'embeddings', 'transcriptions'],
  endpoints: { rerank: { format: 'jina', path: '/rerank' } },
  catalogId: 'local',
  local: true,
});
