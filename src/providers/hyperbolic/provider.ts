import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const hyperbolic: Provider = openaiLike({
  id: 'hyperbolic',
  name: 'Hyperbolic',
  env: ['HYPERBOLIC_API_KEY'],
  baseUrl: 'https://api.hyperbolic.xyz/v1',
  serves: ['completions'],
  console: 'https://app.hyperbolic.ai/settings',
});
