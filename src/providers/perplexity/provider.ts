import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const perplexity: Provider = openaiLike({
  id: 'perplexity',
  name: 'Perplexity',
  env: ['PERPLEXITY_API_KEY', 'PPLX_API_KEY'],
  baseUrl: 'https://api.perplexity.ai',
  // Usage and citations come on every chunk.
  quirks: { streamUsage: 'always', repairStream: true },
  statesCost: 'usd',
  keyPrefix: 'pplx-',
  console: 'https://www.perplexity.ai/account/api/keys',
});
