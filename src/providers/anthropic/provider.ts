import type { Provider } from '../provider.ts';

export const anthropic: Provider = {
  id: 'anthropic',
  name: 'Anthropic',
  env: ['ANTHROPIC_API_KEY'],
  baseUrl: 'https://api.anthropic.com',
  baseUrlEnv: 'ANTHROPIC_BASE_URL',
  auth: { type: 'header', header: 'x-api-key' },
  headers: { 'anthropic-version': '2023-06-01' },
  endpoints: {
    chat: [{ format: 'anthropic-messages', path: '/v1/messages' }],
    count_tokens: { format: 'anthropic-messages', path: '/v1/messages/count_tokens', free: true },
  },
  quirks: { messageThreads: true },
  keyPrefix: 'sk-ant-',
  console: 'https://platform.claude.com/settings/keys',
};
