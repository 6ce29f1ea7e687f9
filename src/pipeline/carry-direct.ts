import { SluiceError } from '../core/errors/error.ts';
import { isObject, type Json } from '../core/model/index.ts';
import { classifyFailure } from '../formats/classify.ts';
import type { UpstreamAnswer } from '../ports/upstream.ts';
import { authHeaders, directUrl } from '../providers/address.ts';
import type { Direct } from './call.ts';
import type { Carrier } from './carrier.ts';
import type { Principal, Route } from './exchange.ts';
import { accountFor, type Sendable, timeoutsFor } from './prepare.ts';
import { malformed, readFailure } from './receive.ts';
import { type Relayed, relayBody } from './relay.ts';
import type { Deployment } from './runtime.ts';

type Asked = Direct & Route & { readonly principal: Principal };

/** Headers of an upstream's answer that a client needs. Others stay: cookies, limits of our account, redirects. */
const ANSWER_HEADERS = [
  'content-type',
  'content-disposition',
  'content-range',
  'accept-ranges',
  'cache-control',
  'etag',
  'last-modified',
  'retry-after',
] as const;

/** Refusals of our own credential or account: their text is not the client's to read. */
const OUR_FAULT: ReadonlySet<number> = new Set([401, 402, 403, 407]);

function prepare(exchange: Asked, deployment: Deployment, credential: string | undefined): Sendable {
  const { provider } = deployment;
  const { target } = exchange;
  const url = directUrl(provider.vendor, target.path, {
    model: '',
    region: provider.region,
    baseUrl: provider.baseUrl,
    project: provider.settings['project'],
  });
  return {
    plan: 'bytes',
    codec: { id: exchange.codec.id },
    dropped: [],
    account: accountFor(deployment, credential),
    request: {
      method: target.method,
      origin: url.origin,
      path: url.pathname + target.search,
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        ...provider.headers,
        ...target.headers,
        ...authHeaders(provider.vendor.auth, credential),
      },
      body: exchange.raw.length === 0 ? undefined : exchange.raw,
      timeouts: timeoutsFor(exchange, deployment),
      allowPrivateNetwork: provider.allowPrivateNetwork,
      maxConnections: provider.maxConnections,
    },
  };
}

function headersOf(answer: UpstreamAnswer): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ANSWER_HEADERS) {
    const value = answer.headers[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

async function rewritten(exchange: Asked, answer: UpstreamAnswer, provider: string): Promise<Uint8Array> {
  const bytes = await answer.bytes(exchange.runtime.maxAnswerBytes);
  let body: Json;
  try {
    body = JSON.parse(Buffer.from(bytes).toString('utf8')) as Json;
  } catch {
    throw malformed(provider);
  }
  if (!isObject(body)) throw malformed(provider);
  return Buffer.from(JSON.stringify(exchange.target.rewrite?.(body) ?? body));
}

async function receive(
  exchange: Asked,
  deployment: Deployment,
  got: { readonly answer: UpstreamAnswer },
): Promise<Relayed> {
  const { answer } = got;
  const { facts, target } = exchange;
  const provider = deployment.provider.name;
  const { status } = answer;
  const from = { provider, maxBytes: exchange.runtime.maxErrorBytes };
  if (OUR_FAULT.has(status)) throw await readFailure(answer, classifyFailure, from);
  if (status >= 300 && status < 400 && status !== 304) {
    answer.cancel();
    throw new SluiceError(
      'upstream_malformed',
      `\`${provider}\` answered with a redirect, which is not followed.`,
      {
        provider,
      },
    );
  }
  if (status >= 400) facts.free = true;
  const headers = headersOf(answer);
  const isJson = /^application\/json\b/i.test(headers['content-type'] ?? '');
  if (target.rewrite !== undefined) facts.free = true;
  if (status < 300 && isJson && target.rewrite !== undefined) {
    return { status, headers, body: await rewritten(exchange, answer, provider) };
  }
  try {
    return { status, headers, body: await relayBody(answer, facts) };
  } catch (error) {
    answer.cancel();
    throw error;
  }
}

/** Sends requests to one provider as they are and hands its answers on. */
export const directCarrier: Carrier<Asked, Sendable, Relayed> = { prepare, receive };
