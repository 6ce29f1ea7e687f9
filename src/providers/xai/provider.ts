import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const xai: Provider = openaiLike({
  id: 'xai',
  name: 'xAI',
  env: ['XAI_API_KEY'],
  baseUrl: 'https://api.x.ai/v1',
  chat: [{ format: 'openai-responses', path: '/responses' }],
  serves: ['images'],
  // Reasoning tokens are missing from `completion_tokens`, so usage has to be corrected on its way to the client.
  quirks: { reasoningOutsideOutput: true, repairStream: true, repairWhole: true },
  catalogId: 'x-ai',
  statesCost: 'ticks',
  keyPrefix: 'xai-',
  console: 'https://console.x.ai',
});
