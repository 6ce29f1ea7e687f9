import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const nvidia: Provider = openaiLike({
  id: 'nvidia',
  name: 'NVIDIA NIM',
  env: ['NVIDIA_API_KEY'],
  baseUrl: 'https://integrate.api.nvidia.com/v1',
  serves: ['completions', 'embeddings'],
  keyPrefix: 'nvapi-',
  console: 'https://build.nvidia.com',
});
