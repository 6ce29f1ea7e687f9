import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const groq: Provider = openaiLike({
  id: 'groq',
  name: 'Groq',
  env: ['GROQ_API_KEY'],
  baseUrl: 'https://api.groq.com/openai/v1',
  chat: [{ format: 'openai-responses', path: '/responses' }],
  serves: ['speech', 'transcriptions', 'files', 'batches'],
  quirks: {
    maxTokensField: 'max_completion_tokens',
    reasoningReplay: 'reasoning',
    // A field it does not know is answered with a 400, "property … is unsupported".
    refusedFields: [
      'logprobs',
      'top_logprobs',
      'logit_bias',
      'verbosity',
      'prompt_cache_key',
      'prompt_cache_retention',
      'safety_identifier',
    ],
    // The role may be missing, usage hides in `x_groq`, and errors come as events of their own.
    repairStream: true,
  },
  keyPrefix: 'gsk_',
  console: 'https://console.groq.com/keys',
});
