import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The `v1` surface, which needs no `api-version`; the base URL is the resource, `https://NAME.openai.azure.com`. */
export const azure: Provider = openaiLike({
  id: 'azure',
  name: 'Azure OpenAI',
  env: ['AZURE_OPENAI_API_KEY', 'AZURE_API_KEY'],
  baseUrl: undefined,
  baseUrlEnv: 'AZURE_OPENAI_ENDPOINT',
  auth: { type: 'header', header: 'api-key' },
  prefix: '/openai/v1',
  chat: [{ format: 'openai-responses', path: '/openai/v1/responses' }],
  serves: ['embeddings', 'images', 'speech', 'transcriptions', 'files', 'batches'],
  // Streams open with an empty `choices` and change their id between chunks.
  quirks: { maxTokensField: 'max_completion_tokens', repairStream: true },
  console: 'https://ai.azure.com',
});
