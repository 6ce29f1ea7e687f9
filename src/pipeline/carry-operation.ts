import type { PlanName } from '../core/cost/exchange.ts';
import { SluiceError } from '../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import { asBuffer } from '../formats/bytes.ts';
import { classifyFailure } from '../formats/classify.ts';
import { replaceField } from '../formats/multipart.ts';
import type { Translated } from '../formats/operations/index.ts';
import { patchTopLevel } from '../formats/patch-json.ts';
import type { UpstreamAnswer } from '../ports/upstream.ts';
import { adaptBody, authHeaders, changesBody, endpointUrl } from '../providers/address.ts';
import type { Endpoint } from '../providers/provider.ts';
import type { Called } from './call.ts';
import type { Carrier } from './carrier.ts';
import type { Principal, Route } from './exchange.ts';
import { accountFor, type Sendable, timeoutsFor } from './prepare.ts';
import { failureError, malformed, readFailure } from './receive.ts';
import { type Relayed, relayBody } from './relay.ts';
import type { Deployment } from './runtime.ts';
import { tethered } from './tether.ts';

interface PreparedOperation extends Sendable {
  /** Present when the answer has to be translated back. */
  readonly translated: Translated | undefined;
}

type Asked = Called & Route & { readonly principal: Principal };

/** The endpoint of a deployment for an operation, if its provider has one for this model. */
export function operationEndpoint(exchange: Called, deployment: Deployment): Endpoint | undefined {
  const endpoint = deployment.provider.vendor.endpoints[exchange.operation];
  if (endpoint?.models === undefined) return endpoint;
  return new RegExp(endpoint.models, 'i').test(deployment.model) ? endpoint : undefined;
}

/** A refusal before any call: nobody who has this model does this with it. */
export function notServed(exchange: Called, provider: string): SluiceError {
  return new SluiceError('unsupported_feature', `\`${provider}\` does not serve ${exchange.operation}.`, {
    param: 'model',
  });
}

interface Written {
  readonly plan: PlanName;
  readonly body: Uint8Array | string;
  readonly dropped: readonly string[];
  readonly translated: Translated | undefined;
}

/** The client's bytes with nothing but the model changed. */
function forwarded(exchange: Called, deployment: Deployment): Written {
  const bytes = asBuffer(exchange.raw);
  const none = { dropped: [], translated: undefined };
  if (exchange.body['model'] === deployment.model) return { plan: 'bytes', body: exchange.raw, ...none };
  const body =
    exchange.form === undefined
      ? patchTopLevel(bytes, { model: JSON.stringify(deployment.model) })
      : replaceField(bytes, exchange.form, { name: 'model', value: deployment.model });
  return { plan: 'patched', body, ...none };
}

function write(exchange: Called, deployment: Deployment, endpoint: Endpoint): Written {
  const { spec, shape } = exchange;
  if (spec.forwards(shape, endpoint.format) && !changesBody(endpoint)) return forwarded(exchange, deployment);
  const translated = spec.translate({
    body: exchange.body,
    client: shape,
    upstream: endpoint.format,
    model: deployment.model,
  });
  const body = JSON.stringify(adaptBody(endpoint, translated.body));
  return { plan: 'canonical', body, dropped: translated.dropped, translated };
}

function prepare(exchange: Asked, deployment: Deployment, credential: string | undefined): PreparedOperation {
  const { provider } = deployment;
  const endpoint = operationEndpoint(exchange, deployment);
  if (endpoint === undefined) throw notServed(exchange, provider.name);
  const { body, ...written } = write(exchange, deployment, endpoint);
  const url = new URL(
    endpointUrl(provider.vendor, endpoint, {
      model: deployment.model,
      region: provider.region,
      baseUrl: provider.baseUrl,
      project: provider.settings['project'],
    }),
  );
  return {
    ...written,
    codec: { id: endpoint.format },
    account: accountFor(deployment, credential),
    request: {
      method: 'POST',
      origin: url.origin,
      path: url.pathname + url.search,
      headers: {
        'content-type': written.plan === 'canonical' ? 'application/json' : exchange.contentType,
        accept: '*/*',
        'accept-encoding': 'identity',
        ...provider.headers,
        ...authHeaders(provider.vendor.auth, credential),
      },
      body,
      timeouts: timeoutsFor(exchange, deployment),
      allowPrivateNetwork: provider.allowPrivateNetwork,
      maxConnections: provider.maxConnections,
    },
  };
}

/** A whole JSON answer; one that is an error although its status says otherwise is an error. */
function parseAnswer(bytes: Uint8Array, provider: string): JsonObject {
  let body: Json;
  try {
    // Not `parseJson`: an embedding's digits beyond a double's are noise, and bytes that are forwarded keep them anyway.
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Json;
  } catch {
    throw malformed(provider);
  }
  if (!isObject(body)) throw malformed(provider);
  if (isObject(body['error'])) throw failureError(classifyFailure(500, body, {}), provider, 200);
  return body;
}

/** A recorded answer has to be what was asked for: no page of a captive portal, no JSON where sound should be. */
function refuseForeign(exchange: Called, type: string, provider: string): void {
  if (/^text\/html\b/i.test(type)) throw malformed(provider);
  if (exchange.operation === 'speech' && /^application\/json\b/i.test(type)) throw malformed(provider);
}

function isJson(type: string): boolean {
  return /^application\/([a-z0-9.+-]*\+)?json\b/i.test(type);
}

/** Whether an answer of this operation can be anything but JSON. */
function mayStream(exchange: Called): boolean {
  return (
    exchange.operation === 'speech' || exchange.operation === 'transcriptions' || exchange.envelope.stream
  );
}

async function receive(
  exchange: Asked,
  deployment: Deployment,
  got: { readonly answer: UpstreamAnswer; readonly prepared: PreparedOperation },
): Promise<Relayed> {
  const { answer, prepared } = got;
  const { facts, spec, body } = exchange;
  const provider = deployment.provider.name;
  const type = answer.headers['content-type'] ?? '';
  const from = { provider, maxBytes: exchange.runtime.maxErrorBytes };
  if (answer.status >= 300) throw await readFailure(answer, classifyFailure, from);
  const asked = { body, bytes: exchange.raw.length };
  if (mayStream(exchange) && !isJson(type)) {
    try {
      refuseForeign(exchange, type, provider);
      facts.usage = spec.usage(asked, undefined);
      const relayed = await relayBody(answer, facts, (event) => spec.usage(asked, event));
      const { tether } = exchange;
      const chunks = tether === undefined ? relayed : tethered(relayed, tether);
      return { status: 200, headers: { 'content-type': type || 'application/octet-stream' }, body: chunks };
    } catch (error) {
      answer.cancel();
      throw error;
    }
  }
  const bytes = await answer.bytes(exchange.runtime.maxAnswerBytes);
  const parsed = parseAnswer(bytes, provider);
  refuseForeign(exchange, type, provider);
  const headers = { 'content-type': 'application/json' };
  if (prepared.translated === undefined) {
    facts.usage = spec.usage(asked, parsed);
    return { status: 200, headers, body: bytes };
  }
  const reply = { id: exchange.id, model: exchange.envelope.model };
  const { body: told, usage } = prepared.translated.answer(parsed, reply);
  facts.usage = usage;
  return { status: 200, headers, body: Buffer.from(JSON.stringify(told)) };
}

/** Writes operations for a deployment and reads their answers. */
export const operationCarrier: Carrier<Asked, PreparedOperation, Relayed> = { prepare, receive };
