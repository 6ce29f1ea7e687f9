import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const deepseek: Provider = openaiLike({
  id: 'deepseek',
  name: 'DeepSeek',
  env: ['DEEPSEEK_API_KEY'],
  baseUrl: 'https://api.deepseek.com',
  chat: [
    { format: 'openai-responses', path: '/responses' },
    { format: 'anthropic-messages', path: '/anthropic/v1/messages' },
  ],
  // Tool turns without the reasoning that led to them are refused from V4 on.
  quirks: { reasoningReplay: 'reasoning_content', reasoningRequest: 'thinking' },
  console: 'https://platform.deepseek.com/api_keys',
});
