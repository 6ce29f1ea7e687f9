import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const avian: Provider = openaiLike({
  id: 'avian',
  name: 'Avian',
  env: ['AVIAN_API_KEY'],
  baseUrl: 'https://api.avian.io/v1',
  // Ids change in mid-stream.
  quirks: { reasoningReplay: 'reasoning_content', repairStream: true },
  statesCost: 'usd',
  console: 'https://avian.io',
});
