import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const zai: Provider = openaiLike({
  id: 'zai',
  name: 'Z.ai',
  env: ['ZAI_API_KEY', 'Z_AI_API_KEY'],
  baseUrl: 'https://api.z.ai',
  prefix: '/api/paas/v4',
  chat: [{ format: 'anthropic-messages', path: '/api/anthropic/v1/messages' }],
  serves: ['embeddings', 'images'],
  quirks: { reasoningReplay: 'reasoning_content', reasoningRequest: 'thinking' },
  console: 'https://z.ai/manage-apikey/apikey-list',
});
