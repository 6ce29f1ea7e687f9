import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The base URL is the operator's own server. */
export const gpustack: Provider = openaiLike({
  id: 'gpustack',
  name: 'GPUStack',
  env: ['GPUSTACK_API_KEY'],
  baseUrl: undefined,
  prefix: '/v1',
  serves: ['completions', 'embeddings', 'images', 'speech', 'transcriptions'],
  endpoints: { rerank: { format: 'jina', path: '/v1/rerank' } },
  // No role in the first chunk and no `[DONE]`.
  quirks: { doneMarker: 'optional', repairStream: true },
});
