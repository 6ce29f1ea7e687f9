import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adaptBody, authHeaders, changesBody, chatEndpoints, endpointUrl, type Place } from './address.ts';
import { PROVIDERS } from './index.ts';
import { openaiLike } from './openai-like.ts';
import type { Endpoint, Provider } from './provider.ts';

function provider(id: string): Provider {
  const found = PROVIDERS.get(id);
  if (found === undefined) throw new Error(`no provider ${id}`);
  return found;
}

/** URL of the first chat endpoint that serves the model in the format. */
function chatUrl(id: string, place: Place, format?: Endpoint['format']): string {
  const endpoint = chatEndpoints(provider(id), place.model).find(
    (candidate) => format === undefined || candidate.format === format,
  );
  if (endpoint === undefined) throw new Error(`${id} does not serve ${place.model}`);
  return endpointUrl(provider(id), endpoint, place);
}

describe('endpointUrl', () => {
  it.each<[string, Place, string]>([
    ['openai', { model: 'gpt-4o' }, 'https://api.openai.com/v1/chat/completions'],
    [
      'openai',
      { model: 'm', baseUrl: 'http://10.0.0.5:8000/v1/' },
      'http://10.0.0.5:8000/v1/chat/completions',
    ],
    ['anthropic', { model: 'c', baseUrl: 'http://h' }, 'http://h/v1/messages'],
    ['anthropic', { model: 'c', baseUrl: 'http://h/v1' }, 'http://h/v1/messages'],
    [
      'moonshot',
      { model: 'k', baseUrl: 'https://api.moonshot.cn/v1' },
      'https://api.moonshot.cn/v1/chat/completions',
    ],
    [
      'azure',
      { model: 'm', baseUrl: 'https://r.openai.azure.com/' },
      'https://r.openai.azure.com/openai/v1/chat/completions',
    ],
    [
      'azure-deployments',
      { model: 'my gpt/4', baseUrl: 'https://r.openai.azure.com' },
      'https://r.openai.azure.com/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21',
    ],
    [
      'gemini',
      { model: 'models/gemini-2.5-flash', stream: true },
      'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    ],
    [
      'bedrock',
      { model: 'us.anthropic.claude-haiku-4-5-20251001-v1:0', stream: true },
      'https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream',
    ],
    [
      'vertex',
      { model: 'gemini-2.5-pro', project: 'p' },
      'https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google/models/gemini-2.5-pro:generateContent',
    ],
    [
      'vertex',
      { model: 'claude-3-7-sonnet@20250219', project: 'p', region: 'us-east5', stream: true },
      'https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-3-7-sonnet@20250219:streamRawPredict',
    ],
    [
      'vertex',
      { model: 'meta/llama-4-maverick', project: 'p', region: 'us-east5' },
      'https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/endpoints/openapi/chat/completions',
    ],
    [
      'cloudflare',
      { model: '@cf/meta/llama', baseUrl: 'https://api.cloudflare.com/client/v4/accounts/A/ai/v1' },
      'https://api.cloudflare.com/client/v4/accounts/A/ai/v1/chat/completions',
    ],
  ])('%s %o', (id, place, url) => {
    expect(chatUrl(id, place)).toBe(url);
  });

  it('says what is missing', () => {
    expect(() => chatUrl('azure', { model: 'm' })).toThrow(/azure.*base_url/);
    expect(() => chatUrl('vertex', { model: 'gemini-2.5-pro' })).toThrow(/vertex.*project/);
  });

  it('keeps a model name in its place', () => {
    expect(() => chatUrl('bedrock', { model: '..' })).toThrow(/model name/);
    expect(() => chatUrl('gemini', { model: 'models/' })).toThrow(/model name/);
    expect(chatUrl('bedrock', { model: '../../admin?x#y' })).toContain(
      '/model/..%2F..%2Fadmin%3Fx%23y/converse',
    );
  });
});

describe('authHeaders', () => {
  it('follow the scheme', () => {
    expect(authHeaders({ type: 'bearer' }, 'k')).toEqual({ authorization: 'Bearer k' });
    expect(authHeaders({ type: 'header', header: 'x-api-key' }, 'k')).toEqual({ 'x-api-key': 'k' });
    expect(authHeaders({ type: 'none' }, 'k')).toEqual({});
    expect(authHeaders({ type: 'bearer' }, undefined)).toEqual({});
    expect(authHeaders({ type: 'sigv4', service: 'bedrock' }, 'bedrock-key')).toEqual({
      authorization: 'Bearer bedrock-key',
    });
  });
});

describe('Claude on a cloud', () => {
  it('has its version in the body and its model in the path', () => {
    const endpoint = chatEndpoints(provider('bedrock'), 'eu.anthropic.claude-haiku-4-5-20251001-v1:0').find(
      ({ format }) => format === 'anthropic-messages',
    );
    if (endpoint === undefined) throw new Error('no invoke endpoint');
    expect(changesBody(endpoint)).toBe(true);
    expect(endpoint.streamWrap).toBe('aws-invoke');
    expect(adaptBody(endpoint, { model: 'm', stream: true, max_tokens: 5 })).toEqual({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 5,
    });
    expect(chatEndpoints(provider('bedrock'), 'amazon.nova-lite-v1:0').map(({ format }) => format)).toEqual([
      'bedrock-converse',
    ]);
  });
});

/** The whole of a new vendor: this constant in its folder, and its line in the registry. */
const imaginary = openaiLike({
  id: 'imaginary',
  name: 'Imaginary AI',
  env: ['IMAGINARY_API_KEY'],
  baseUrl: 'https://api.imaginary.example/v1',
  serves: ['embeddings'],
  quirks: { reasoningReplay: 'reasoning_content', doneMarker: 'optional' },
  keyPrefix: 'img-',
});

describe('an imaginary OpenAI-like provider', () => {
  it('needs no more than its data to be called', () => {
    const [endpoint] = chatEndpoints(imaginary, 'dream-1');
    if (endpoint === undefined || imaginary.endpoints.embeddings === undefined)
      throw new Error('no endpoint');
    expect(endpoint.format).toBe('openai-chat');
    expect(endpointUrl(imaginary, endpoint, { model: 'dream-1' })).toBe(
      'https://api.imaginary.example/v1/chat/completions',
    );
    expect(endpointUrl(imaginary, imaginary.endpoints.embeddings, { model: 'dream-embed' })).toBe(
      'https://api.imaginary.example/v1/embeddings',
    );
    expect(authHeaders(imaginary.auth, 'img-1')).toEqual({ authorization: 'Bearer img-1' });
    expect(imaginary.quirks).toEqual({
      maxTokensField: 'max_tokens',
      systemRole: 'system',
      reasoningReplay: 'reasoning_content',
      doneMarker: 'optional',
    });
  });
});

const INDEX = new URL('../../../shared/wire/index.json', import.meta.url);
const FORMAT_OF: Readonly<Record<string, Endpoint['format']>> = {
  anthropic: 'anthropic-messages',
  'anthropic-bedrock-stream': 'anthropic-messages',
  bedrock: 'bedrock-converse',
  cohere: 'cohere',
  gemini: 'gemini',
  ollama: 'ollama',
  'openai-chat': 'openai-chat',
  'openai-responses': 'openai-responses',
};
/** Recorded, but another product, a beta or an older address of the same vendor. */
const OTHER_SURFACES = new Set([
  'azure openai-chat /openai/deployments/openllmetry-testing/chat/completions',
  'deepseek openai-chat /beta/chat/completions',
  'deepseek openai-chat /v1/chat/completions',
  'gemini openai-chat /v1beta/openai/chat/completions',
  'huggingface openai-chat /novita/v3/openai/chat/completions',
  'zai openai-chat /api/coding/paas/v4/chat/completions',
]);

interface Recorded {
  readonly provider: string;
  readonly api: string;
  readonly path: string;
  readonly stream: boolean;
  readonly status: number;
}

/** The path of every way our data knows to reach a recorded exchange's model. */
function knownPaths({ provider: recorded, api, path, stream }: Recorded): string[] {
  const vendor = PROVIDERS.get(recorded === 'vercel-gateway' ? 'vercel' : recorded);
  if (vendor === undefined) return [];
  const model = decodeURIComponent(
    /\/(?:models?|deployments)\/(.+?)(?::\w+|\/[\w-]+)$/.exec(path)?.[1] ?? 'm',
  );
  const own = vendor.baseUrl?.includes('{') ? undefined : vendor.baseUrl;
  const [, project, region] = /\/projects\/([^/]+)\/locations\/([^/]+)\//.exec(path) ?? [];
  return vendor.endpoints.chat
    .filter(({ format }) => format === FORMAT_OF[api])
    .map((endpoint) =>
      endpointUrl(vendor, endpoint, { model, project, region, stream, baseUrl: own ?? 'http://h' }),
    )
    .map((url) => decodeURIComponent(new URL(url).pathname));
}

describe('recorded traffic', () => {
  const isThere = existsSync(INDEX);

  it(isThere ? 'was sent to the paths we know' : 'is absent: only the cases above were run', () => {
    if (!isThere) return;
    const recorded = JSON.parse(readFileSync(INDEX, 'utf8')) as Recorded[];
    let matched = 0;
    const unknown = new Set<string>();
    for (const one of recorded) {
      if (FORMAT_OF[one.api] === undefined || one.status !== 200) continue;
      const path = decodeURIComponent(one.path);
      if (knownPaths(one).includes(path)) matched += 1;
      else unknown.add(`${one.provider} ${one.api} ${path}`);
    }
    expect([...unknown].filter((one) => !OTHER_SURFACES.has(one))).toEqual([]);
    expect(matched).toBeGreaterThan(480);
  });
});
