import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const openrouter: Provider = openaiLike({
  id: 'openrouter',
  name: 'OpenRouter',
  env: ['OPENROUTER_API_KEY'],
  baseUrl: 'https://openrouter.ai/api/v1',
  chat: [
    { format: 'openai-responses', path: '/responses' },
    { format: 'anthropic-messages', path: '/messages' },
  ],
  serves: ['embeddings'],
  quirks: {
    reasoningRequest: 'openrouter',
    reasoningReplay: 'reasoning_details',
    cacheControl: true,
    providerRouting: true,
  },
  statesCost: 'usd',
  keyPrefix: 'sk-or-',
  console: 'https://openrouter.ai/keys',
});
