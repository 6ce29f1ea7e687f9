import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const llamacpp: Provider = openaiLike({
  id: 'llamacpp',
  name: 'llama.cpp server',
  env: [],
  baseUrl: 'http://127.0.0.1:8080/v1',
  serves: ['completions', 'embeddings'],
  endpoints: { rerank: { format: 'jina', path: '/rerank' } },
  quirks: { reasoningReplay: 'reasoning_content' },
  catalogId: 'local',
  local: true,
});
