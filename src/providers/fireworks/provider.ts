import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const fireworks: Provider = openaiLike({
  id: 'fireworks',
  name: 'Fireworks AI',
  env: ['FIREWORKS_API_KEY'],
  baseUrl: 'https://api.fireworks.ai/inference/v1',
  chat: [{ format: 'openai-responses', path: '/responses' }],
  serves: ['completions', 'embeddings'],
  keyPrefix: 'fw_',
  console: 'https://app.fireworks.ai/settings/users/api-keys',
});
