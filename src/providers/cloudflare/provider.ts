import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The base URL holds the account: `https://api.cloudflare.com/client/v4/accounts/ACCOUNT`. */
export const cloudflare: Provider = openaiLike({
  id: 'cloudflare',
  name: 'Cloudflare Workers AI',
  env: ['CLOUDFLARE_API_TOKEN'],
  baseUrl: undefined,
  prefix: '/ai/v1',
  chat: [{ format: 'openai-responses', path: '/ai/v1/responses' }],
  serves: ['embeddings'],
  console: 'https://dash.cloudflare.com/profile/api-tokens',
});
