import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const ollama: Provider = openaiLike({
  id: 'ollama',
  name: 'Ollama',
  env: [],
  baseUrl: 'http://127.0.0.1:11434',
  baseUrlEnv: 'OLLAMA_HOST',
  prefix: '/v1',
  chat: [{ format: 'ollama', path: '/api/chat' }],
  serves: ['completions', 'embeddings'],
  quirks: { mediaUrls: false, reasoningReplay: 'reasoning' },
  catalogId: 'local',
  local: true,
});
