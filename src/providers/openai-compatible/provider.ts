import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** Any server with an OpenAI-like API; the base URL ends where `/chat/completions` begins, usually with `/v1`. */
export const openaiCompatible: Provider = openaiLike({
  id: 'openai-compatible',
  name: 'OpenAI-compatible server',
  env: [],
  baseUrl: undefined,
  serves: [
    'completions',
    'embeddings',
    'files',
    'batches',
    'images',
    'moderations',
    'speech',
    'transcriptions',
  ],
  endpoints: { rerank: { format: 'jina', path: '/rerank' } },
  quirks: { doneMarker: 'optional' },
});
