import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const inferenceNet: Provider = openaiLike({
  id: 'inference-net',
  name: 'Inference.net',
  env: ['INFERENCE_API_KEY'],
  baseUrl: 'https://api.inference.net/v1',
  serves: ['completions', 'embeddings'],
  console: 'https://inference.net/dashboard/api-keys',
});
