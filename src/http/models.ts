import { SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { allowsModel } from '../core/policy/policy.ts';
import type { ListedModel } from '../pipeline/runtime.ts';
import { modelNotFound } from '../pipeline/stages/authorize.ts';
import type { Call, DataPlanePorts } from './call.ts';
import { readClientFacts } from './client-facts.ts';

function sendJson(call: Call, body: JsonObject): void {
  const text = JSON.stringify(body);
  call.response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    'x-sluice-request-id': call.requestId,
  });
  call.response.end(text);
}

/** When a model was made is not known here; both dialects demand a date. */
const EPOCH = '1970-01-01T00:00:00Z';

function openAiModel(model: ListedModel): JsonObject {
  return { id: model.name, object: 'model', created: 0, owned_by: model.provider };
}

function anthropicModel(model: ListedModel): JsonObject {
  return { type: 'model', id: model.name, display_name: model.name, created_at: EPOCH };
}

function geminiModel(model: ListedModel): JsonObject {
  return {
    name: `models/${model.name}`,
    baseModelId: model.name,
    displayName: model.name,
    version: '1',
    inputTokenLimit: model.contextTokens ?? 0,
    outputTokenLimit: model.maxOutputTokens ?? 0,
    supportedGenerationMethods: ['generateContent', 'streamGenerateContent', 'countTokens'],
  };
}

/** How each dialect writes one model; Chat's is used where a dialect has no list of its own. */
function modelOf(call: Call, model: ListedModel): JsonObject {
  if (call.codec.id === 'anthropic-messages') return anthropicModel(model);
  return call.codec.id === 'gemini' ? geminiModel(model) : openAiModel(model);
}

function geminiPage(all: readonly ListedModel[], query: URLSearchParams | undefined): JsonObject {
  const size = Math.min(1000, Math.max(1, Math.trunc(Number(query?.get('pageSize') ?? 50)) || 50));
  const from = Math.max(0, Math.trunc(Number(query?.get('pageToken') ?? 0)) || 0);
  const more = from + size < all.length ? { nextPageToken: String(from + size) } : {};
  return { models: all.slice(from, from + size).map(geminiModel), ...more };
}

function anthropicPage(all: readonly ListedModel[], query: URLSearchParams | undefined): JsonObject {
  const asked = Number(query?.get('limit') ?? 20);
  if (!Number.isSafeInteger(asked) || asked < 1 || asked > 1000) {
    throw new SluiceError('bad_request', '`limit` must be a whole number from 1 to 1000.', {
      param: 'limit',
    });
  }
  const afterId = query?.get('after_id');
  const from =
    afterId === null || afterId === undefined ? 0 : all.findIndex((model) => model.name === afterId) + 1;
  const page = all.slice(from, from + asked);
  return {
    data: page.map(anthropicModel),
    has_more: from + asked < all.length,
    first_id: page[0]?.name ?? null,
    last_id: page.at(-1)?.name ?? null,
  };
}

/** `GET /v1/models`, in Anthropic's shape when `anthropic-version` is sent. */
export async function listModels(ports: DataPlanePorts, call: Call): Promise<void> {
  const runtime = ports.runtime();
  const { policy } = ports.admit(readClientFacts(call.request, call.query), runtime);
  const listed = runtime.listModels();
  const all = policy.models.length === 0 ? listed : listed.filter(({ name }) => allowsModel(policy, name));
  if (call.codec.id === 'anthropic-messages') sendJson(call, anthropicPage(all, call.query));
  else if (call.codec.id === 'gemini') sendJson(call, geminiPage(all, call.query));
  else sendJson(call, { object: 'list', data: all.map(openAiModel) });
}

/** `GET /v1/models/:id`; ids may hold slashes. */
export async function getModel(ports: DataPlanePorts, call: Call): Promise<void> {
  const runtime = ports.runtime();
  const { policy } = ports.admit(readClientFacts(call.request, call.query), runtime);
  const name = (call.params['model'] ?? '').replace(/^models\//, '');
  const router = runtime.routing?.find(name);
  const route = runtime.resolve(router?.router.baseline ?? name);
  if (route === undefined || !allowsModel(policy, router === undefined ? route.name : name)) {
    throw modelNotFound(runtime, name);
  }
  const [deployment] = router === undefined ? route.deployments : [];
  const model: ListedModel = {
    name,
    provider: deployment?.provider.name ?? (router === undefined ? '' : 'router'),
    contextTokens: deployment?.profile.contextTokens,
    maxOutputTokens: deployment?.profile.maxOutputTokens,
  };
  sendJson(call, modelOf(call, model));
}
