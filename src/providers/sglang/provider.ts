import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const sglang: Provider = openaiLike({
  id: 'sglang',
  name: 'SGLang',
  env: [],
  baseUrl: 'http://127.0.0.1:30000/v1',
  serves: ['completions', 'embeddings'],
  catalogId: 'local',
  local: true,
});
