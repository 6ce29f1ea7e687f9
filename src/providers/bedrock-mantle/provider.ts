import { openaiLike } from '../openai-like.ts';
import type { Provider } from '../provider.ts';

/** Takes a Bedrock API key. Not found by the environment, where `bedrock` claims the same variable. */
export const bedrockMantle: Provider = openaiLike({
  id: 'bedrock-mantle',
  name: 'Amazon Bedrock (OpenAI surface)',
  env: [],
  baseUrl: 'https://bedrock-mantle.{region}.api.aws',
  prefix: '/v1',
  chat: [{ format: 'openai-responses', path: '/openai/v1/responses' }],
  // Its Responses events put `data:` before `event:`, and its tool-call ids repeat over the turns.
  quirks: { repairStream: true },
  catalogId: 'aws',
  regions: ['us-east-1', 'us-west-2', 'eu-central-1', 'eu-west-1', 'ap-northeast-1'],
  console: 'https://console.aws.amazon.com/bedrock',
});
