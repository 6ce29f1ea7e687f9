import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const mistral: Provider = openaiLike({
  id: 'mistral',
  name: 'Mistral AI',
  env: ['MISTRAL_API_KEY'],
  baseUrl: 'https://api.mistral.ai/v1',
  serves: ['embeddings', 'moderations', 'transcriptions'],
  quirks: {
    streamUsage: 'always',
    toolCallIds: 'alnum9',
    toolChoiceRequired: 'any',
    audioOutsideInput: true,
    reasoningReplay: 'thinking_parts',
    seedField: 'random_seed',
    // A field it does not know is answered with a 422, "Extra inputs are not permitted".
    refusedFields: ['logit_bias', 'logprobs', 'top_logprobs', 'user', 'store', 'service_tier', 'verbosity'],
    // Tool deltas come without an index, and Magistral's content is a list of parts.
    repairStream: true,
    repairWhole: true,
  },
  console: 'https://console.mistral.ai/api-keys',
});
