import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const vercel: Provider = openaiLike({
  id: 'vercel',
  name: 'Vercel AI Gateway',
  env: ['AI_GATEWAY_API_KEY'],
  baseUrl: 'https://ai-gateway.vercel.sh/v1',
  chat: [
    { format: 'openai-responses', path: '/responses' },
    { format: 'anthropic-messages', path: '/messages' },
  ],
  serves: ['embeddings'],
  quirks: {
    reasoningOutsideOutput: true,
    reasoningRequest: 'openrouter',
    reasoningReplay: 'reasoning_details',
    repairStream: true,
    repairWhole: true,
  },
  statesCost: 'usd',
  keyPrefix: 'vck_',
  console: 'https://vercel.com/ai-gateway',
});
