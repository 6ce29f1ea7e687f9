import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const featherless: Provider = openaiLike({
  id: 'featherless',
  name: 'Featherless',
  env: ['FEATHERLESS_API_KEY'],
  baseUrl: 'https://api.featherless.ai/v1',
  serves: ['completions'],
  console: 'https://featherless.ai/account/api-keys',
});
