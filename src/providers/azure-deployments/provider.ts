import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The older surface: the model is the name of a deployment, in the path, and the version is dated. */
export const azureDeployments: Provider = openaiLike({
  id: 'azure-deployments',
  name: 'Azure OpenAI (deployment paths)',
  env: [],
  baseUrl: undefined,
  auth: { type: 'header', header: 'api-key' },
  endpoints: {
    chat: [
      {
        format: 'openai-chat',
        path: '/openai/deployments/{model}/chat/completions?api-version=2024-10-21',
      },
    ],
    embeddings: { format: 'openai', path: '/openai/deployments/{model}/embeddings?api-version=2024-10-21' },
  },
  quirks: { maxTokensField: 'max_completion_tokens', repairStream: true },
  catalogId: 'azure',
  console: 'https://ai.azure.com',
});
