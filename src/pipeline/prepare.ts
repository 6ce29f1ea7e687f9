import type { PlanName } from '../core/cost/exchange.ts';
import { SluiceError, unsupported } from '../core/errors/error.ts';
import { refuseIncapable } from '../core/translation/capabilities.ts';
import { choosePlan } from '../core/translation/plan.ts';
import { asBuffer } from '../formats/bytes.ts';
import type { ChatCodec } from '../formats/codec.ts';
import type { Framing } from '../formats/frame.ts';
import { patchTopLevel } from '../formats/patch-json.ts';
import { CODECS } from '../formats/registry.ts';
import type { Account } from '../ports/authorizer.ts';
import type { UpstreamRequest, UpstreamTimeouts } from '../ports/upstream.ts';
import { adaptBody, authHeaders, changesBody, chatEndpoints, endpointUrl } from '../providers/address.ts';
import type { Endpoint } from '../providers/provider.ts';
import type { Exchange, Principal, Routed } from './exchange.ts';
import { STATE_FIELDS } from './kept-state.ts';
import type { Deployment } from './runtime.ts';

/** A request ready for one deployment, whatever it asks for. */
export interface Sendable {
  readonly plan: PlanName;
  /** The upstream's format. */
  readonly codec: { readonly id: string };
  readonly dropped: readonly string[];
  /** Whole but for the headers an authorizer makes, if `account` is there. */
  readonly request: UpstreamRequest;
  /** In whose name an authorizer has to authorize the request; absent where its headers hold all it needs. */
  readonly account: Account | undefined;
}

/** A chat request ready for one deployment, and what is needed to read its answer. */
export interface Prepared extends Sendable {
  readonly codec: ChatCodec;
  /** The gateway asked for a usage chunk that the client did not ask for. */
  readonly hideUsage: boolean;
  /** How streams of this endpoint are framed. */
  readonly framing: Framing | 'aws-invoke';
}

/** Output limit sent where a format demands one and neither client nor catalog says: Claude's smallest common limit. */
const FALLBACK_MAX_OUTPUT_TOKENS = 4096;

/** Where the calls of a deployment go; all of it is configuration, so it is worked out once. */
interface Destinations {
  readonly chat: readonly Endpoint[];
  readonly whole: Map<Endpoint, Destination>;
  readonly stream: Map<Endpoint, Destination>;
}

type Headers = Readonly<Record<string, string>>;

interface Destination {
  readonly origin: string;
  readonly path: string;
  /** Headers of every call. */
  readonly headers: Headers;
  /** These and what authenticates, by the credential of the pool that does; `undefined`: none. */
  readonly authorized: Map<string | undefined, Headers>;
}

/** Goes with the deployment when a new configuration replaces it. */
const DESTINATIONS = new WeakMap<Deployment, Destinations>();

function destinationsOf(deployment: Deployment): Destinations {
  let known = DESTINATIONS.get(deployment);
  if (known === undefined) {
    const chat = chatEndpoints(deployment.provider.vendor, deployment.model);
    known = { chat, whole: new Map(), stream: new Map() };
    DESTINATIONS.set(deployment, known);
  }
  return known;
}

function destinationOf(deployment: Deployment, endpoint: Endpoint, stream: boolean): Destination {
  const known = destinationsOf(deployment)[stream ? 'stream' : 'whole'];
  let destination = known.get(endpoint);
  if (destination === undefined) {
    const { provider, model } = deployment;
    const url = new URL(
      endpointUrl(provider.vendor, endpoint, {
        model,
        region: provider.region,
        baseUrl: provider.baseUrl,
        project: provider.settings['project'],
        stream,
      }),
    );
    destination = {
      origin: url.origin,
      path: url.pathname + url.search,
      headers: {
        'content-type': 'application/json',
        accept: stream ? 'text/event-stream' : 'application/json',
        'accept-encoding': 'identity',
        ...provider.headers,
      },
      authorized: new Map(),
    };
    known.set(endpoint, destination);
  }
  return destination;
}

function isEmpty(headers: Headers): boolean {
  for (const _ in headers) return false;
  return true;
}

/** The headers of one call. `extra`: those that this request adds. */
function headersFor(
  destination: Destination,
  { vendor, credentials }: Deployment['provider'],
  { credential, extra }: { readonly credential: string | undefined; readonly extra: Headers },
): Headers {
  const { headers, authorized } = destination;
  const known = isEmpty(extra) ? authorized.get(credential) : undefined;
  if (known !== undefined) return known;
  const made = { ...headers, ...extra, ...authHeaders(vendor.auth, credential) };
  // Clients' own credentials are not kept: there is no end to them.
  const isOurs = credential === undefined || credentials.includes(credential);
  if (isOurs && isEmpty(extra)) authorized.set(credential, made);
  return made;
}

/** The endpoint that speaks the client's format if the vendor has one for this model, else its preferred one. */
function chooseEndpoint(exchange: Routed, deployment: Deployment): { endpoint: Endpoint; codec: ChatCodec } {
  const { chat } = destinationsOf(deployment);
  const needsResponses = deployment.profile.toolsNeedResponses === true && exchange.envelope.tools > 0;
  // Chat, the client's own or the vendor's preferred one, would have to leave the reasoning out.
  const own = exchange.codec.id;
  const endpoint =
    (needsResponses && own === 'openai-chat' ? undefined : chat.find((entry) => entry.format === own)) ??
    (needsResponses ? chat.find((entry) => entry.format === 'openai-responses') : undefined) ??
    chat[0];
  const codec = endpoint === undefined ? undefined : CODECS[endpoint.format as keyof typeof CODECS];
  if (endpoint === undefined || codec === undefined) {
    throw new SluiceError(
      'unsupported_feature',
      `\`${deployment.provider.name}\` does not serve chat requests.`,
      {
        param: 'model',
      },
    );
  }
  return { endpoint, codec };
}

interface Way {
  readonly endpoint: Endpoint;
  readonly codec: ChatCodec;
  readonly fields: Readonly<Record<string, string>>;
}

/** Whether the model is named in the body; else it stands in the path (Gemini, Converse). */
function modelInBody(endpoint: Endpoint): boolean {
  return !endpoint.path.includes('{model}');
}

/** Fields that stand for a part of the prompt which Google keeps, in both spellings. */
const KEPT_PROMPTS = ['cachedContent', 'cached_content'] as const;

/**
 * A thread is kept by one account, under the id of its last answer: only a model with a single deployment comes back to it.
 * Anthropic's SDKs know the word in `error_code` and go on with the whole conversation (their tool runners by themselves).
 */
function refuseForeignThread({ body, codec: own, grant }: Routed, to: Deployment, codec: ChatCodec): void {
  if (own.id !== 'anthropic-messages' || body['thread'] === undefined || body['thread'] === null) return;
  const { deployments } = grant.route;
  const isOnly = grant.router === undefined && deployments.length === 1 && deployments[0] === to;
  if (isOnly && codec.id === own.id && to.provider.quirks.messageThreads === true) return;
  throw new SluiceError(
    'unsupported_feature',
    `\`${to.provider.name}\` keeps no \`thread\` for this model here. Send the whole conversation in \`messages\` instead.`,
    { param: 'thread', status: 400, details: { error_code: 'thread_unsupported_request' } },
  );
}

/** State can only be continued where it is kept. Throws `unsupported_feature` for any other deployment. */
function refuseForeignState(exchange: Routed, deployment: Deployment, codec: ChatCodec): void {
  refuseForeignThread(exchange, deployment, codec);
  if (exchange.codec.id === 'gemini' && codec.id !== 'gemini') {
    for (const field of KEPT_PROMPTS) {
      if (typeof exchange.body[field] !== 'string') continue;
      throw unsupported(
        field,
        `\`${field}\` names a part of the prompt that \`${deployment.provider.name}\` does not have. Send the whole prompt instead.`,
      );
    }
  }
  for (const field of STATE_FIELDS) {
    const value = exchange.body[field];
    const id = typeof value === 'object' && value !== null && 'id' in value ? value['id'] : value;
    if (typeof id !== 'string') continue;
    const issuer = exchange.issuerOf(id);
    const only = exchange.grant.route.deployments.length === 1;
    const fits =
      codec.id === exchange.codec.id && (issuer === deployment.id || (issuer === undefined && only));
    if (fits) continue;
    throw unsupported(
      field,
      `\`${field}\` names state that \`${deployment.provider.name}\` does not keep. Send the whole conversation in \`input\` instead.`,
    );
  }
}

/** Top-level fields to change in the client's own bytes, as JSON text. */
function patches(
  exchange: Routed,
  deployment: Deployment,
  { codec, endpoint }: Omit<Way, 'fields'>,
): Record<string, string> {
  const fields: Record<string, string> = {};
  if (modelInBody(endpoint) && deployment.model !== exchange.envelope.model) {
    fields['model'] = JSON.stringify(deployment.model);
  }
  const asksUsage =
    codec.id === 'openai-chat' && (deployment.provider.quirks.streamUsage ?? 'option') === 'option';
  if (exchange.envelope.stream && asksUsage && !exchange.envelope.includeUsage) {
    const given = exchange.body['stream_options'];
    fields['stream_options'] = JSON.stringify({
      ...(typeof given === 'object' ? given : {}),
      include_usage: true,
    });
  }
  return fields;
}

/** A fallback that answers shorter than was asked: its limit is sent instead, which encoding does and says. */
function overFallbackLimit({ envelope, grant }: Routed, deployment: Deployment): boolean {
  const { maxOutputTokens } = envelope;
  const most = deployment.profile.maxOutputTokens;
  if (maxOutputTokens === undefined || most === undefined || maxOutputTokens <= most) return false;
  return !grant.route.deployments.includes(deployment);
}

function choosePlanFor(exchange: Routed, deployment: Deployment, way: Way): PlanName {
  const { endpoint, codec, fields } = way;
  const { quirks } = deployment.provider;
  return choosePlan({
    sameFormat: codec.id === exchange.codec.id && codec.framing === exchange.codec.framing,
    sameModel: !modelInBody(endpoint) || deployment.model === exchange.envelope.model,
    needsPatch: Object.keys(fields).length > 0,
    needsContent: exchange.needsContent || overFallbackLimit(exchange, deployment),
    needsRepair:
      (exchange.envelope.tools > 0 && (quirks.reasoningReplay ?? 'none') !== 'none') ||
      changesBody(endpoint) ||
      (exchange.envelope.stream ? quirks.repairStream : quirks.repairWhole) === true,
  });
}

/** Those of clients without a limit of their own, by the configured ones. */
const TIMEOUTS = new WeakMap<UpstreamTimeouts, { whole: UpstreamTimeouts; stream: UpstreamTimeouts }>();

/**
 * A whole answer's headers come when it is complete, so only the total limit applies to it; a stream that makes progress
 * has no total limit (R5). The client's own limit shortens both.
 */
export function timeoutsFor(exchange: Exchange, { timeouts }: Deployment): UpstreamTimeouts {
  const { timeoutMs } = exchange.client;
  const { stream } = exchange.envelope;
  if (timeoutMs !== undefined) return shortened(timeouts, stream, timeoutMs);
  let known = TIMEOUTS.get(timeouts);
  if (known === undefined) {
    const unlimited = Number.POSITIVE_INFINITY;
    known = { whole: shortened(timeouts, false, unlimited), stream: shortened(timeouts, true, unlimited) };
    TIMEOUTS.set(timeouts, known);
  }
  return stream ? known.stream : known.whole;
}

function shortened(timeouts: UpstreamTimeouts, stream: boolean, own: number): UpstreamTimeouts {
  const total = stream
    ? own
    : Math.min(own, timeouts.totalMs === 0 ? Number.POSITIVE_INFINITY : timeouts.totalMs);
  const totalMs = Number.isFinite(total) ? total : 0;
  return { ...timeouts, firstByteMs: stream ? timeouts.firstByteMs : totalMs, totalMs };
}

/** The client's own credential in open mode, where it fits this vendor; it is sent instead of one of the pool. */
export function ownCredential(
  exchange: { readonly principal: Principal },
  deployment: Deployment,
): string | undefined {
  const own = exchange.principal.ownCredential;
  const { vendor, credentials, signed } = deployment.provider;
  const fits = own !== undefined && vendor.keyPrefix !== undefined && own.startsWith(vendor.keyPrefix);
  return fits || (credentials.length === 0 && signed !== true) ? own : undefined;
}

/**
 * Whom to authorize for, where no plain credential does: the vendor's scheme signs and nobody gave the header itself. Throws
 * `upstream_auth` for a provider whose own secret could not be read: a client's key must not go out in its place.
 */
export function accountFor(deployment: Deployment, credential: string | undefined): Account | undefined {
  const { name, vendor, region, settings, headers, unreadable } = deployment.provider;
  if (unreadable === true) throw secretUnreadable(name);
  const scheme = vendor.auth;
  if (scheme.type !== 'sigv4' && scheme.type !== 'google-oauth') return undefined;
  if (credential !== undefined || 'authorization' in headers) return undefined;
  // The same default as the address has.
  return { provider: name, scheme, region: region ?? vendor.regions?.[0], settings };
}

function secretUnreadable(provider: string): SluiceError {
  return new SluiceError(
    'upstream_auth',
    `\`${provider}\` cannot be used now: the gateway could not read its secret from where it is kept. It tries again by itself; the operator sees why with \`sluice secrets status\`.`,
    { provider, retryAfterS: 10 },
  );
}

/**
 * Encodes an exchange for one deployment, to be sent with this credential. Throws `unsupported_feature` or `bad_request`.
 */
export function prepare(exchange: Routed, deployment: Deployment, credential: string | undefined): Prepared {
  const { endpoint, codec } = chooseEndpoint(exchange, deployment);
  refuseForeignState(exchange, deployment, codec);
  // A catalog price means that the catalog knows this very model at this vendor.
  if (deployment.price?.source === 'catalog' && deployment.provider.vendor.local !== true) {
    refuseIncapable({ ...exchange.envelope, bytes: exchange.raw.length }, deployment.profile);
  }
  const fields = codec.id === exchange.codec.id ? patches(exchange, deployment, { codec, endpoint }) : {};
  const plan = choosePlanFor(exchange, deployment, { endpoint, codec, fields });
  const { provider } = deployment;
  let body: Uint8Array | string = exchange.raw;
  let dropped: readonly string[] = [];
  let extra: Headers = codec.id === exchange.codec.id ? exchange.client.forward : {};
  if (plan === 'patched') {
    body = patchTopLevel(asBuffer(exchange.raw), fields);
  }
  if (plan === 'canonical') {
    const encoded = codec.encodeRequest(exchange.decoded(), {
      model: deployment.model,
      profile: deployment.profile,
      quirks: provider.quirks,
      defaultMaxOutputTokens: deployment.profile.maxOutputTokens ?? FALLBACK_MAX_OUTPUT_TOKENS,
    });
    body = JSON.stringify(adaptBody(endpoint, encoded.body));
    dropped = encoded.dropped;
    extra = { ...extra, ...encoded.headers };
  }
  const { stream } = exchange.envelope;
  const destination = destinationOf(deployment, endpoint, stream);
  return {
    plan,
    codec,
    dropped,
    hideUsage: 'stream_options' in fields,
    framing: endpoint.streamWrap ?? codec.framing,
    account: accountFor(deployment, credential),
    request: {
      method: 'POST',
      origin: destination.origin,
      path: destination.path,
      headers: headersFor(destination, provider, { credential, extra }),
      body,
      timeouts: timeoutsFor(exchange, deployment),
      allowPrivateNetwork: provider.allowPrivateNetwork,
      maxConnections: provider.maxConnections,
      maxStreamBytes: exchange.runtime.maxStreamBytes,
    },
  };
}
