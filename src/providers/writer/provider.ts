import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const writer: Provider = openaiLike({
  id: 'writer',
  name: 'Writer',
  env: ['WRITER_API_KEY'],
  baseUrl: 'https://api.writer.com/v1',
  endpoints: { chat: [{ format: 'openai-chat', path: '/chat' }] },
  // `message` where others say `delta`, content after the finish reason, no `[DONE]`.
  quirks: { doneMarker: 'optional', repairStream: true, repairWhole: true },
  console: 'https://app.writer.com/aistudio',
});
