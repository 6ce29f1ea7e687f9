import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const minimax: Provider = openaiLike({
  id: 'minimax',
  name: 'MiniMax',
  env: ['MINIMAX_API_KEY'],
  baseUrl: 'https://api.minimax.io',
  prefix: '/v1',
  chat: [{ format: 'anthropic-messages', path: '/anthropic/v1/messages' }],
  quirks: { reasoningReplay: 'reasoning_details' },
  console: 'https://platform.minimax.io/user-center/basic-information/interface-key',
});
