import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const moonshot: Provider = openaiLike({
  id: 'moonshot',
  name: 'Moonshot AI (Kimi)',
  env: ['MOONSHOT_API_KEY'],
  baseUrl: 'https://api.moonshot.ai',
  prefix: '/v1',
  chat: [{ format: 'anthropic-messages', path: '/anthropic/v1/messages' }],
  quirks: { reasoningReplay: 'reasoning_content', reasoningRequest: 'thinking' },
  catalogId: 'moonshotai',
  console: 'https://platform.moonshot.ai/console/api-keys',
});
