import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const friendli: Provider = openaiLike({
  id: 'friendli',
  name: 'Friendli',
  env: ['FRIENDLI_TOKEN'],
  baseUrl: 'https://api.friendli.ai/serverless/v1',
  serves: ['completions'],
  keyPrefix: 'flp_',
  console: 'https://friendli.ai/suite/setting/tokens',
});
