import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const lmstudio: Provider = openaiLike({
  id: 'lmstudio',
  name: 'LM Studio',
  env: [],
  baseUrl: 'http://127.0.0.1:1234/v1',
  chat: [{ format: 'openai-responses', path: '/responses' }],
  serves: ['completions', 'embeddings'],
  quirks: { mediaUrls: false },
  catalogId: 'local',
  local: true,
});
