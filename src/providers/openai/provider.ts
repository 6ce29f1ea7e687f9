import type { Provider } from '../provider.ts';

/** `sk-` alone would also claim the keys of vendors that copied it. */
export const openai: Provider = {
  id: 'openai',
  name: 'OpenAI',
  env: ['OPENAI_API_KEY'],
  baseUrl: 'https://api.openai.com/v1',
  baseUrlEnv: 'OPENAI_BASE_URL',
  auth: { type: 'bearer' },
  endpoints: {
    chat: [
      { format: 'openai-chat', path: '/chat/completions' },
      { format: 'openai-responses', path: '/responses' },
    ],
    completions: { format: 'openai', path: '/completions' },
    batches: { format: 'openai', path: '/batches' },
    embeddings: { format: 'openai', path: '/embeddings' },
    files: { format: 'openai', path: '/files' },
    images: { format: 'openai', path: '/images/generations' },
    moderations: { format: 'openai', path: '/moderations', free: true },
    speech: { format: 'openai', path: '/audio/speech' },
    transcriptions: { format: 'openai', path: '/audio/transcriptions' },
  },
  keyPrefix: 'sk-proj-',
  console: 'https://platform.openai.com/api-keys',
};
