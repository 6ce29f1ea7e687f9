import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** Models of many makers behind one resource, `https://NAME.services.ai.azure.com`. */
export const azureFoundry: Provider = openaiLike({
  id: 'azure-foundry',
  name: 'Azure AI Foundry',
  env: ['AZURE_AI_API_KEY'],
  baseUrl: undefined,
  baseUrlEnv: 'AZURE_AI_ENDPOINT',
  auth: { type: 'header', header: 'api-key' },
  endpoints: {
    chat: [
      { format: 'openai-chat', path: '/models/chat/completions?api-version=2024-05-01-preview' },
      { format: 'openai-responses', path: '/openai/v1/responses' },
    ],
    embeddings: { format: 'openai', path: '/models/embeddings?api-version=2024-05-01-preview' },
  },
  quirks: { repairStream: true },
  catalogId: 'azure',
  console: 'https://ai.azure.com',
});
