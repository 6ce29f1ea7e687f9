import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const nebius: Provider = openaiLike({
  id: 'nebius',
  name: 'Nebius Token Factory',
  env: ['NEBIUS_API_KEY'],
  baseUrl: 'https://api.tokenfactory.nebius.com/v1',
  serves: ['completions', 'embeddings', 'images'],
  console: 'https://tokenfactory.nebius.com',
});
