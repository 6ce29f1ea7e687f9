import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** The price depends on the vendor behind the router: it is known for names that say which, `org/model:vendor`. */
export const huggingface: Provider = openaiLike({
  id: 'huggingface',
  name: 'Hugging Face Inference Providers',
  env: ['HF_TOKEN'],
  baseUrl: 'https://router.huggingface.co/v1',
  keyPrefix: 'hf_',
  console: 'https://huggingface.co/settings/tokens',
});
