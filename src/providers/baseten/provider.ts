import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const baseten: Provider = openaiLike({
  id: 'baseten',
  name: 'Baseten',
  env: ['BASETEN_API_KEY'],
  baseUrl: 'https://inference.baseten.co/v1',
  console: 'https://app.baseten.co/settings/api_keys',
});
