import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** Not found by `GITHUB_TOKEN`: that one is set on every CI machine, for other purposes. */
export const githubModels: Provider = openaiLike({
  id: 'github-models',
  name: 'GitHub Models',
  env: ['GITHUB_MODELS_TOKEN'],
  baseUrl: 'https://models.github.ai/inference',
  serves: ['embeddings'],
  console: 'https://github.com/settings/tokens',
});
