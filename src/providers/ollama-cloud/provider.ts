import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const ollamaCloud: Provider = openaiLike({
  id: 'ollama-cloud',
  name: 'Ollama Cloud',
  env: ['OLLAMA_API_KEY'],
  baseUrl: 'https://ollama.com',
  prefix: '/v1',
  chat: [{ format: 'ollama', path: '/api/chat' }],
  quirks: { mediaUrls: false, reasoningReplay: 'reasoning' },
  console: 'https://ollama.com/settings/keys',
});
