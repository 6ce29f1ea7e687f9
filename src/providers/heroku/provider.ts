import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

export const heroku: Provider = openaiLike({
  id: 'heroku',
  name: 'Heroku Inference',
  env: ['INFERENCE_KEY'],
  baseUrl: 'https://us.inference.heroku.com',
  baseUrlEnv: 'INFERENCE_URL',
  prefix: '/v1',
  serves: ['embeddings', 'images'],
  keyPrefix: 'inf-',
  console: 'https://dashboard.heroku.com',
});
