import { hostedClaude } from '../hosted-claude.ts';
import type { Endpoint, Provider } from '../provider.ts';

const PLACE = 'projects/{project}/locations/{region}';
const GOOGLE = `/v1beta1/${PLACE}/publishers/google/models/{model}`;
const CLAUDE = `/v1/${PLACE}/publishers/anthropic/models/{model}`;
const [path, streamPath] = [`${GOOGLE}:generateContent`, `${GOOGLE}:streamGenerateContent?alt=sse`];
const gemini: Endpoint = { format: 'gemini', models: '^(?!claude)[^/]+$', path, streamPath };
const raw = { models: '^claude', path: `${CLAUDE}:rawPredict`, streamPath: `${CLAUDE}:streamRawPredict` };
const claude = hostedClaude({ ...raw, version: 'vertex-2023-10-16', omit: ['model'] });
const openapi = `/v1/${PLACE}/endpoints/openapi/chat/completions`;

/** Gemini, Claude, and open models under `maker/name`, each on its own surface. */
export const vertex: Provider = {
  id: 'vertex',
  name: 'Google Vertex AI',
  env: ['GOOGLE_APPLICATION_CREDENTIALS'],
  baseUrl: 'https://{region}-aiplatform.googleapis.com',
  globalBaseUrl: 'https://aiplatform.googleapis.com',
  auth: { type: 'google-oauth' },
  endpoints: { chat: [gemini, claude, { format: 'openai-chat', models: '/', path: openapi }] },
  quirks: { geminiSurface: 'vertex' },
  catalogId: 'google',
  regions: ['global', 'us-central1', 'us-east5', 'europe-west1', 'europe-west4', 'asia-southeast1'],
  console: 'https://console.cloud.google.com/vertex-ai',
};
