import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const cerebras: Provider = openaiLike({
  id: 'cerebras',
  name: 'Cerebras',
  env: ['CEREBRAS_API_KEY'],
  baseUrl: 'https://api.cerebras.ai/v1',
  serves: ['completions'],
  quirks: { maxTokensField: 'max_completion_tokens', reasoningReplay: 'reasoning' },
  keyPrefix: 'csk-',
  console: 'https://cloud.cerebras.ai',
});
