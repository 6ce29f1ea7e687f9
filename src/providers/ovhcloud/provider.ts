import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const ovhcloud: Provider = openaiLike({
  id: 'ovhcloud',
  name: 'OVHcloud AI Endpoints',
  env: ['OVH_AI_ENDPOINTS_ACCESS_TOKEN'],
  baseUrl: 'https://oai.endpoints.kepler.ai.cloud.ovh.net/v1',
  serves: ['embeddings', 'transcriptions'],
  console: 'https://endpoints.ai.cloud.ovh.net',
});
