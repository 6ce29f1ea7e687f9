import { hostedClaude } from '../hosted-claude.ts';
import type { Endpoint, Provider } from '../provider.ts';

const MODEL = '/model/{model}';
const [path, streamPath] = [`${MODEL}/converse`, `${MODEL}/converse-stream`];
const converse: Endpoint = { format: 'bedrock-converse', path, streamPath };
const claude = hostedClaude({
  models: 'anthropic\\.claude',
  path: `${MODEL}/invoke`,
  streamPath: `${MODEL}/invoke-with-response-stream`,
  version: 'bedrock-2023-05-31',
  omit: ['model', 'stream'],
  streamWrap: 'aws-invoke',
});

/** Converse for every model, Anthropic's own format for Claude. A plain key goes as a bearer token, a key pair signs. */
export const bedrock: Provider = {
  id: 'bedrock',
  name: 'Amazon Bedrock',
  env: ['AWS_BEARER_TOKEN_BEDROCK', 'AWS_ACCESS_KEY_ID'],
  baseUrl: 'https://bedrock-runtime.{region}.amazonaws.com',
  auth: { type: 'sigv4', service: 'bedrock' },
  endpoints: { chat: [converse, claude] },
  quirks: { mediaUrls: false },
  catalogId: 'aws',
  regions: ['us-east-1', 'us-west-2', 'eu-central-1', 'eu-west-1', 'ap-northeast-1', 'ap-southeast-2'],
  console: 'https://console.aws.amazon.com/bedrock',
};
